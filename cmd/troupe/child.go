package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// process is one service's.
type process struct {
	name    string
	command []string
	environ map[string]string
	ready   herald
}

// newProcess is one of this program, with a database of its own; "" for none.
func newProcess(program, service string, environ map[string]string, database string) *process {
	environ = maps.Clone(environ)
	environ["DATABASE_URL"] = database
	return &process{
		name: service, command: []string{program, "serve", "--with-stdin", service}, environ: environ,
		ready: herald{said: make(chan struct{})},
	}
}

// herald hears a service say on its standard output that it is ready. To ask at its
// address would not do: another program may listen there, which is why it can not start.
type herald struct {
	once sync.Once
	said chan struct{} // closed when it has been ready once
}

// Write takes whatever is said for it: a service says nothing else there.
func (h *herald) Write(p []byte) (int, error) {
	h.once.Do(func() { close(h.said) })
	return len(p), nil
}

// allReady waits until all have been ready; false if ctx ends before.
func allReady(ctx context.Context, all ...*process) bool {
	for _, p := range all {
		select {
		case <-p.ready.said:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// restartAfter keeps a service that ends again and again from keeping the machine busy.
const restartAfter = time.Second

// keepRunning starts the process again whenever it ends, until ctx does. If it
// ends before it was ever ready, that is an error: what is wrong with its settings
// will be wrong with them the next time too.
func (p *process) keepRunning(ctx context.Context) error {
	for {
		err := p.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-p.ready.said:
		default:
			return fmt.Errorf("%s did not start, for the reason that it gives above (%v)", p.name, err) //nolint:errorlint // its exit status is not ours
		}
		fmt.Fprintf(os.Stderr, "%s ended (%v); starting it again\n", p.name, err)
		select {
		case <-time.After(restartAfter):
		case <-ctx.Done():
			return nil
		}
	}
}

// run runs it until ctx ends, and then lets it drain.
func (p *process) run(ctx context.Context) error {
	command := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // this very program
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		command.Env = append(command.Env, name+"="+p.environ[name])
	}
	command.Stdout, command.Stderr = &p.ready, os.Stderr
	// The pipe ends when this process does, even by kill -9, and the service with it.
	if _, err := command.StdinPipe(); err != nil {
		return err
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	command.SysProcAttr = ownGroup()
	return command.Run()
}
