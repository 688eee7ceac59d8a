package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Version is the program's version, set when it is built.
var Version = "dev"

// Main runs one service of all, by its name, with the settings of the environment
// until SIGINT or SIGTERM, drains, and exits: 0 if all ended well, 1 if not. A second signal
// ends it at once. With the argument "health" it asks whether the service runs and is ready instead, and with
// "version" it prints the version.
func Main(all []Service, name string) {
	ctx, signals := HandleSignals()
	TidyEnvironment()
	err := command(ctx, os.Args[1:], all, name)
	signals.Stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, arguments []string, all []Service, name string) error {
	switch {
	case len(arguments) == 0:
		return Run(ctx, all, name)
	case slices.Equal(arguments, []string{"health"}):
		return Health(ctx, os.Stdout, Environ(os.Environ()), Named(all, name))
	case slices.Equal(arguments, []string{"version"}):
		_, err := fmt.Fprintln(os.Stdout, Version)
		return err
	}
	return fmt.Errorf("%q is not a command: give none to run the service, or health, or version", strings.Join(arguments, " "))
}

// Run runs one service of all, by its name, with the settings of the environment
// until ctx ends, and drains.
func Run(ctx context.Context, all []Service, name string) error {
	system, err := StartOne(ctx, all, name)
	if errors.Is(err, ErrStoppedEarly) {
		return nil
	}
	if err != nil {
		return err
	}
	system.log.Info("ready", "service", system.name())
	return system.Run(ctx)
}

// Run waits until ctx ends, a service fails or the terminal closes, and then stops the
// system. With every other SIGHUP it reloads, if the config asked for that.
func (s *System) Run(ctx context.Context) error {
	releaseMemoryOfStart()
	failed := s.wait(ctx)
	s.log.Info("stopping", "service", s.name())
	if err := s.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return failed
}

// releaseMemoryOfStart collects what only the start needed and returns it to the system. The
// buffers that goose reads migrations with are 16 MB: until they are collected, the heap may grow to twice as
// much and more. They are in a sync.Pool, which the second collection empties.
func releaseMemoryOfStart() {
	runtime.GC()
	debug.FreeOSMemory()
}

// StartOne starts one service of all, by its name, with the settings of the
// environment.
func StartOne(ctx context.Context, all []Service, name string) (*System, error) {
	return Start(ctx, Config{
		Services: []Service{Named(all, name)}, All: all, Environ: Environ(os.Environ()), Version: Version,
		ReloadOnHangup: true,
	})
}

// Named returns the service of all with that name. The name comes from the program itself, so
// one that does not exist is a mistake in the program.
func Named(all []Service, name string) Service {
	i := slices.IndexFunc(all, func(s Service) bool { return s.Name == name })
	if i < 0 {
		panic("there is no service named " + name)
	}
	return all[i]
}
