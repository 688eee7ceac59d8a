package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// ErrEnded is the error of waiting for a process that ended before it was ready.
var ErrEnded = errors.New("the process has ended")

// child is a process that serves HTTP.
type child struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has
	err     error         // how, once it has
}

// run starts the program with variables beyond this process's own.
func run(ctx context.Context, binary string, args, env []string, output io.Writer) (*child, error) {
	c := &child{command: exec.CommandContext(context.WithoutCancel(ctx), binary, args...), ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), env...)
	c.command.Stdout, c.command.Stderr = output, output
	if _, err := c.command.StdinPipe(); err != nil { // ends when this process does; see serve --with-stdin
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// untilReady waits until base is ready, for a minute at most.
func (c *child) untilReady(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !ready(ctx, base) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-c.ended:
			return ErrEnded
		case <-ctx.Done():
			return errors.New("the system does not become ready")
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
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// kill ends it as a power cut would: nothing gets to finish.
func (c *child) kill() error {
	if err := c.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.ended
	return nil
}

// stop asks it to drain, and says how it ended.
func (c *child) stop() error {
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-c.ended
	return c.err
}

// freePorts picks a port for each service, below those that the system gives to
// clients: one that is free for a moment, while its process is down, stays so.
func freePorts() (map[string]string, error) {
	const lowest, highest = 20000, 32000
	ports := map[string]string{}
	for tries := 0; len(ports) < len(Services); tries++ {
		port := strconv.Itoa(lowest + rand.IntN(highest-lowest))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			defer listener.Close() // held until all are picked, so that none is picked twice
			ports[Services[len(ports)]] = port
		} else if tries > 100 {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return ports, nil
}
