package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"troupe/app"
	"troupe/services"
)

// gatewayName is that of the one service without a database, to which all requests go.
const gatewayName = "gateway"

// Backends returns the names of the services behind the gateway, each of which has a database.
func Backends() []string { return services.Names()[1:] }

// node is the part of a cluster that starts and ends as one: a process, or services
// that run in this one.
type node struct {
	cluster  *Cluster
	name     string
	services []string
	replica  int // counted from 0

	system *app.System // nil if the node is a process, or does not run

	mu      sync.Mutex
	serving bool     // it was ready, and has not been stopped or killed since
	process *process // the latest one; nil if the node never ran, or runs in this process
}

// start starts the node unless it runs, and waits until it is ready.
func (n *node) start(ctx context.Context, settings ...string) error {
	if n.runs() {
		return nil
	}
	if err := n.launch(ctx, settings); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.set(func() { n.serving = true })
	return nil
}

func (n *node) launch(ctx context.Context, settings []string) (err error) {
	if !n.isProcess() {
		n.system, err = n.startInTest(ctx)
		return err
	}
	p, err := startProcess(ctx, n.cluster.Program, n.arguments(), append(n.environ(), settings...), n.cluster.Output)
	if err != nil {
		return err
	}
	n.set(func() { n.process = p })
	for _, service := range n.services {
		if err := p.untilReady(ctx, "http://"+n.cluster.address(service, n.replica)); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
	}
	return nil
}

// isProcess reports whether the node is a process of its own.
func (n *node) isProcess() bool {
	switch n.cluster.Kind {
	case InTest:
		return false
	case Replicated:
		return n.cluster.Program != "" && n.name != gatewayName
	case OneProcess, Distributed, ProcessPerService, FilePerService:
	}
	return true
}

func (n *node) startInTest(ctx context.Context) (*app.System, error) {
	c, environ := n.cluster, map[string]string{}
	for _, setting := range n.environ() {
		name, value, _ := strings.Cut(setting, "=")
		environ[name] = value
	}
	var ours []app.Service
	for _, s := range services.All {
		if slices.Contains(n.services, s.Name) {
			ours = append(ours, s)
		}
	}
	logger := slog.New(slog.NewTextHandler(c.Output, &slog.HandlerOptions{Level: slog.LevelWarn})).With("replica", n.replica)
	config := app.Config{Services: ours, All: services.All, Environ: environ, Version: "test", Log: logger, Listen: c.Listen}
	if c.Kind == Replicated {
		config.Lookup = c.lookup
	}
	return app.Start(ctx, config)
}

// arguments are those of the program that this node is.
func (n *node) arguments() []string {
	c := n.cluster
	switch c.Kind {
	case OneProcess:
		args := []string{"up", "--data", c.Data}
		for _, service := range n.services {
			args = append(args, "--port", service+"="+c.ports[service])
		}
		return args
	case Distributed:
		return []string{"up", "--distributed", "--data", c.Data}
	case InTest, ProcessPerService, FilePerService, Replicated:
	}
	return []string{"serve", "--with-stdin", n.services[0]} // it ends when this process does
}

// runs reports whether the node serves.
func (n *node) runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.serving && (n.process == nil || n.process.lives())
}

// set changes what runs reads, which the gateway's look-ups call at any time.
func (n *node) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// stop has the node drain and end, if it runs.
func (n *node) stop() (err error) {
	n.set(func() { n.serving = false }) // no new request comes to it
	switch {
	case n.system != nil:
		err = n.system.Stop()
		n.system = nil
	case n.process != nil && n.process.lives():
		err = n.process.stop()
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", n.name, err)
	}
	return nil
}

// latest returns the latest process. Another goroutine may be starting one.
func (n *node) latest() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

func (n *node) kill() error {
	n.set(func() { n.serving = false })
	return n.process.kill()
}
