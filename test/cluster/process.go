package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ErrEnded is returned by a start whose process ended before it was ready.
var ErrEnded = errors.New("the process has ended")

// startTimeout bounds how long a process may take to become ready, on a busy machine.
const startTimeout = 2 * time.Minute

// Build builds the program into dir, without C as it is released, and returns its path.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "troupe")
	args := append(append([]string{"build"}, flags...), "-o", binary, "troupe/cmd/troupe")
	command := exec.CommandContext(ctx, "go", args...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return binary, nil
}

// process is a child of this process.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
	err     error         // how it ended, once it has
}

// startProcess starts a program with settings beyond this process's own.
func startProcess(ctx context.Context, program string, args, settings []string, output io.Writer) (*process, error) {
	p := &process{command: exec.CommandContext(context.WithoutCancel(ctx), program, args...), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), settings...)
	p.command.Stdout, p.command.Stderr = output, output
	if _, err := p.command.StdinPipe(); err != nil { // the pipe ends when this process does; see serve --with-stdin
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// untilReady waits until the service at base is ready.
func (p *process) untilReady(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !ready(ctx, base) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-p.ended:
			return ErrEnded
		case <-ctx.Done():
			return fmt.Errorf("it does not become ready: %w", ctx.Err())
		}
	}
	return nil
}

func ready(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only its status matters
	return response.StatusCode == http.StatusOK
}

// lives reports whether it has not ended yet.
func (p *process) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends it as a power cut would: it finishes nothing.
func (p *process) kill() error {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return nil
}

// killed reports whether it ended by SIGKILL.
func (p *process) killed() bool {
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// stop asks it to drain and returns how it ended.
func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}
