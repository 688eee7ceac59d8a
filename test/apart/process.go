package apart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a replica in a process of its own.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has
	err     error         // how, once it has
}

func startProcess(ctx context.Context, program, service string, environ map[string]string, output io.Writer) (*process, error) {
	p := &process{
		command: exec.CommandContext(context.WithoutCancel(ctx), program, "serve", "--with-stdin", service),
		ended:   make(chan struct{}),
	}
	p.command.Env = os.Environ()
	for name, value := range environ {
		p.command.Env = append(p.command.Env, name+"="+value)
	}
	p.command.Stdout, p.command.Stderr = output, output
	if _, err := p.command.StdinPipe(); err != nil { // it ends when this process does
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, p.untilReady(ctx, "http://"+environ[strings.ToUpper(service)+"_LISTEN"]+"/readyz")
}

func (p *process) untilReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close() // only its status matters
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.ended:
			return fmt.Errorf("it ended: %w", p.err)
		case <-ctx.Done():
			return errors.New("it does not become ready")
		}
	}
}

// Stop asks it to drain, and says how it ended.
func (p *process) Stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// kill ends it as a power cut would.
func (p *process) kill() error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	return nil
}
