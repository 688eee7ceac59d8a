package app

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Version is the program's version, set when it is built.
var Version = "dev"

// Main runs services with the settings of the environment until SIGINT or
// SIGTERM, drains, and exits: 0 if all ended well, 1 if not.
func Main(services ...Service) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, services...)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Run runs services with the settings of the environment until ctx ends, and drains.
func Run(ctx context.Context, services ...Service) error {
	system, err := Start(ctx, Config{Services: services, Environ: Environ(os.Environ()), Version: Version})
	if err != nil {
		return err
	}
	system.log.Info("ready")
	return system.Run(ctx)
}

// Run waits until ctx ends or a service fails, then stops.
func (s *System) Run(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-s.failed:
	}
	s.log.Info("stopping")
	if err := s.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return failed
}
