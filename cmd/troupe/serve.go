package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"troupe/app"
	"troupe/services"
)

type serveCommand struct {
	Service   string `arg:"" help:"The service to run."`
	WithStdin bool   `hidden:"" help:"Write to standard output when ready, and stop when standard input closes, which it does whenever the parent ends."`
}

// Run runs one service by itself, as cmd/NAME does.
func (c serveCommand) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if c.WithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // any end means that the parent is gone
			stop()
		}()
	}
	if !slices.Contains(services.Names(), c.Service) {
		return fmt.Errorf("no service is called %q: give one of %s", c.Service, strings.Join(services.Names(), ", "))
	}
	if !c.WithStdin {
		return app.Run(ctx, services.All, c.Service)
	}
	return c.serve(ctx)
}

func (c serveCommand) serve(ctx context.Context) error {
	system, err := app.StartOne(ctx, services.All, c.Service)
	if errors.Is(err, app.ErrStoppedEarly) {
		return nil
	}
	if taken, ok := errors.AsType[*app.PortTakenError](err); ok {
		return fmt.Errorf("%w; use --port %s=PORT to listen elsewhere", err, taken.Service)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return system.Run(ctx)
}
