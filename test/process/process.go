// Package process runs the real program as a child, for tests that kill it and
// for measurements.
package process

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Services are the names of all services.
var Services = []string{"gateway", "users", "orders", "notifications", "inventory", "payments"}

// Build builds the program into dir and gives its path.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "troupe")
	args := append(append([]string{"build"}, flags...), "-o", binary, "troupe/cmd/troupe")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, nil
}

// Troupe is `troupe up`, with a data folder that outlives the process.
type Troupe struct {
	Binary string
	Data   string
	Env    []string // beyond the test's own
	Apart  bool     // a process for each service, on the DATABASE_URL and AMQP_URL of Env
	Output io.Writer

	ports map[string]string
	child *child
}

// Start starts it on free ports, the same ones at every start, and waits until
// it is ready. ctx bounds only that.
func (p *Troupe) Start(ctx context.Context) (err error) {
	if p.ports == nil {
		if p.ports, err = freePorts(); err != nil {
			return err
		}
	}
	args, env := []string{"up", "--data", p.Data}, slices.Clone(p.Env)
	if p.Apart {
		args = append(args, "--distributed")
	}
	for _, name := range Services {
		if p.Apart { // they must find one another by the setting, as by the flag
			env = append(env, strings.ToUpper(name)+"_LISTEN=127.0.0.1:"+p.ports[name])
		} else {
			args = append(args, "--port", name+"="+p.ports[name])
		}
	}
	if p.child, err = run(ctx, p.Binary, args, env, p.Output); err != nil {
		return err
	}
	for _, name := range Services {
		if err := p.child.untilReady(ctx, p.URL(name)); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
	}
	return nil
}

// URL is where a service listens.
func (p *Troupe) URL(service string) string { return "http://127.0.0.1:" + p.ports[service] }

// PID is the process id.
func (p *Troupe) PID() int { return p.child.command.Process.Pid }

// Kill ends it as a power cut would: nothing gets to finish.
func (p *Troupe) Kill() error { return p.child.kill() }

// Stop asks it to drain, and fails if it does not end well.
func (p *Troupe) Stop() error { return p.child.stop() }
