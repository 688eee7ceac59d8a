package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"troupe/app"
)

// process is the process of one service. It is restarted when it ends.
type process struct {
	name    string
	command []string
	environ map[string]string
	ready   readyWriter
	running atomic.Pointer[os.Process] // nil until it was started
}

// newProcess returns a process that runs a service with this program, on a database of
// its own ("" for none).
func newProcess(program, service string, environ map[string]string, database string) *process {
	environ = maps.Clone(environ)
	environ["DATABASE_URL"] = database
	return &process{
		name: service, command: []string{program, "serve", "--with-stdin", service}, environ: environ,
		ready: readyWriter{written: make(chan struct{})},
	}
}

// readyWriter is the standard output of a service, which writes there when it is ready.
// A request to its address would prove nothing: another program may listen there, which
// would be why the service cannot start.
type readyWriter struct {
	once    sync.Once
	written chan struct{} // closed at the first write
}

// Write takes any output as the sign: a service writes nothing else there.
func (h *readyWriter) Write(p []byte) (int, error) {
	h.once.Do(func() { close(h.written) })
	return len(p), nil
}

// waitUntilReady waits for all processes and reports whether they became ready before
// ctx ended.
func waitUntilReady(ctx context.Context, all ...*process) bool {
	for _, p := range all {
		select {
		case <-p.ready.written:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// restartAfter is the pause before a restart, so that a service that ends again and
// again does not keep the machine busy.
const restartAfter = time.Second

// keepRunning restarts the process whenever it ends, until ctx ends. If the process
// ends before it was ever ready, keepRunning returns an error, because a restart with
// the same settings would fail too.
func (p *process) keepRunning(ctx context.Context) error {
	for {
		err := p.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-p.ready.written:
		default:
			return fmt.Errorf("%s did not start; the reason is in its output above (%v)", p.name, err) //nolint:errorlint // the exit status of another process
		}
		fmt.Fprintf(os.Stderr, "%s ended (%v); restarting it\n", p.name, err)
		select {
		case <-time.After(restartAfter):
		case <-ctx.Done():
			return nil
		}
	}
}

// run runs the process until ctx ends, and then lets it drain.
func (p *process) run(ctx context.Context) error {
	command := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // the command is this program itself
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		command.Env = append(command.Env, name+"="+p.environ[name])
	}
	command.Stdout, command.Stderr = &p.ready, os.Stderr
	// The pipe closes when this process ends, even by kill -9, and the service stops then.
	if _, err := command.StdinPipe(); err != nil {
		return err
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	command.SysProcAttr = ownGroup()
	if err := command.Start(); err != nil {
		return err
	}
	p.running.Store(command.Process)
	return command.Wait()
}

// processes are the processes that this one has started.
type processes struct {
	mu  sync.Mutex
	all []*process
}

func (ps *processes) add(p *process) *process {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.all = append(ps.all, p)
	return p
}

// signal sends a signal to all of them that run.
func (ps *processes) signal(s os.Signal) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.all {
		if running := p.running.Load(); running != nil {
			_ = running.Signal(s) // it may have ended
		}
	}
}

// forwardHangups passes SIGHUP on to the processes, which reload. It returns a context that
// ends when the terminal closes.
func (ps *processes) forwardHangups(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		if app.OnHangup(ctx, func() { ps.signal(syscall.SIGHUP) }) {
			cancel()
		}
	}()
	return ctx, cancel
}
