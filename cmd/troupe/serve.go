package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"troupe/app"
)

type serveCommand struct {
	Service   string `arg:"" help:"The service to run."`
	WithStdin bool   `hidden:"" help:"Stop when standard input ends: when the parent does, however it does."`
}

// Run runs one service by itself, as cmd/NAME does.
func (c serveCommand) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if c.WithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, the parent is gone
			stop()
		}()
	}
	for _, s := range everything {
		if s.Name == c.Service {
			return app.Run(ctx, s)
		}
	}
	return fmt.Errorf("no service is called %q: give one of %s", c.Service, strings.Join(names(), ", "))
}
