package app

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Version is the program's version, set when it is built.
var Version = "dev"

// Main runs services with the settings of the environment until SIGINT or
// SIGTERM, drains, and exits: 0 if all ended well, 1 if not. With the argument
// "health" it asks whether they run and are ready instead, and with "version" it
// prints the version.
func Main(services ...Service) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], services)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, arguments []string, services []Service) error {
	switch {
	case len(arguments) == 0:
		return Run(ctx, services...)
	case slices.Equal(arguments, []string{"health"}):
		return Health(ctx, os.Stdout, Environ(os.Environ()), services...)
	case slices.Equal(arguments, []string{"version"}):
		_, err := fmt.Fprintln(os.Stdout, Version)
		return err
	}
	return fmt.Errorf("%q is no command: give none to run, or health, or version", strings.Join(arguments, " "))
}

// Run runs services with the settings of the environment until ctx ends, and drains.
func Run(ctx context.Context, services ...Service) error {
	system, err := Start(ctx, Config{Services: services, Environ: Environ(os.Environ()), Version: Version})
	if err != nil {
		return err
	}
	system.log.Info("ready", "service", system.name())
	return system.Run(ctx)
}

// Run waits until ctx ends or a service fails, then stops.
func (s *System) Run(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-s.failed:
	}
	s.log.Info("stopping", "service", s.name())
	if err := s.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return failed
}
