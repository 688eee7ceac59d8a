// Package process runs the real program as a child, for tests that kill it and
// for measurements.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

var services = []string{"gateway", "users", "orders", "notifications", "inventory", "payments"}

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

	ports   map[string]string
	command *exec.Cmd
}

// Start starts it on free ports, the same ones at every start, and waits until
// it is ready. ctx bounds only that.
func (p *Troupe) Start(ctx context.Context) error {
	if p.ports == nil {
		if err := p.pickPorts(); err != nil {
			return err
		}
	}
	args := []string{"up", "--data", p.Data}
	if p.Apart {
		args = append(args, "--distributed")
	}
	for _, name := range services {
		args = append(args, "--port", name+"="+p.ports[name])
	}
	p.command = exec.CommandContext(context.WithoutCancel(ctx), p.Binary, args...)
	p.command.Env = append(os.Environ(), p.Env...)
	p.command.Stdout, p.command.Stderr = p.Output, p.Output
	if err := p.command.Start(); err != nil {
		return err
	}
	return p.untilReady(ctx)
}

func (p *Troupe) pickPorts() error {
	p.ports = map[string]string{}
	for _, name := range services {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() // held until all are picked, so that none is picked twice
		p.ports[name] = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	}
	return nil
}

// URL is where a service listens.
func (p *Troupe) URL(service string) string { return "http://127.0.0.1:" + p.ports[service] }

// PID is the process id.
func (p *Troupe) PID() int { return p.command.Process.Pid }

func (p *Troupe) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL("gateway")+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the system does not become ready")
		}
	}
}

// Kill ends it as a power cut would: nothing gets to finish.
func (p *Troupe) Kill() error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	_ = p.command.Wait() // says that it was killed
	return nil
}

// Stop asks it to drain, and fails if it does not end well.
func (p *Troupe) Stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.command.Wait()
}
