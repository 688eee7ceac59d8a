package process

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
)

// Fleet is the system as processes that can be killed and started one by one:
// one with everything on SQLite, or one for each service on given servers.
type Fleet struct {
	Binary string
	Data   string            // folder of the SQLite files
	Apart  map[string]string // databases by service; nil: everything in one process
	Env    []string          // beyond the test's own
	Output io.Writer

	ports    map[string]string
	children map[string]*child
}

// together is the name of the one process that is all services.
const together = "troupe"

// Processes are the names of those that there are.
func (f *Fleet) Processes() []string {
	if f.Apart == nil {
		return []string{together}
	}
	return Services
}

// Of is the process that a service runs in.
func (f *Fleet) Of(service string) string {
	if f.Apart == nil {
		return together
	}
	return service
}

// URL is where a service listens.
func (f *Fleet) URL(service string) string { return "http://127.0.0.1:" + f.ports[service] }

// Database is where a service keeps its state; "" if it keeps none.
func (f *Fleet) Database(service string) string {
	switch {
	case service == "gateway":
		return ""
	case f.Apart == nil:
		return "sqlite://" + filepath.Join(f.Data, service+".db")
	}
	return f.Apart[service]
}

// StartAll starts every process and waits until all are ready.
func (f *Fleet) StartAll(ctx context.Context) error {
	for _, name := range f.Processes() {
		if err := f.launch(ctx, name, nil); err != nil {
			return err
		}
	}
	for _, name := range f.Processes() {
		if err := f.untilReady(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Start starts one process, on the ports that it always has, and waits until it
// is ready; ErrEnded if it ends before.
func (f *Fleet) Start(ctx context.Context, name string, env ...string) error {
	if err := f.launch(ctx, name, env); err != nil {
		return err
	}
	return f.untilReady(ctx, name)
}

func (f *Fleet) untilReady(ctx context.Context, name string) error {
	door := name
	if name == together {
		door = "gateway"
	}
	if err := f.children[name].untilReady(ctx, f.URL(door)); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

func (f *Fleet) launch(ctx context.Context, name string, env []string) (err error) {
	if f.ports == nil {
		f.children = map[string]*child{}
		if f.ports, err = freePorts(); err != nil {
			return err
		}
	}
	env = append(append(f.addresses(), f.Env...), env...)
	args := []string{"up", "--data", f.Data}
	if name != together {
		args = []string{"serve", "--with-stdin", name}
		env = append(env, "DATABASE_URL="+f.Database(name))
	}
	f.children[name], err = run(ctx, f.Binary, args, env, f.Output)
	return err
}

// addresses tell every service where it and the others listen.
func (f *Fleet) addresses() (env []string) {
	for _, name := range Services {
		env = append(env,
			strings.ToUpper(name)+"_LISTEN=127.0.0.1:"+f.ports[name],
			strings.ToUpper(name)+"_URL="+f.URL(name))
	}
	return env
}

// Kill ends a process as a power cut would.
func (f *Fleet) Kill(name string) error { return f.children[name].kill() }

// Ended is closed when a process has ended, until it is started again.
func (f *Fleet) Ended(name string) <-chan struct{} { return f.children[name].ended }

// Killed says whether a process that has ended was killed as by kill -9, rather than
// ended by itself, by an error or by a panic.
func (f *Fleet) Killed(name string) bool {
	status, ok := f.children[name].command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Stop asks every process that lives to drain, the gateway first.
func (f *Fleet) Stop() error {
	var first error
	for _, name := range f.Processes() {
		c := f.children[name]
		if c == nil {
			continue
		}
		select {
		case <-c.ended:
			continue
		default:
		}
		if err := c.stop(); err != nil && first == nil {
			first = fmt.Errorf("stop %s: %w", name, err)
		}
	}
	return first
}
