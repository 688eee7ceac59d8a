package main

import (
	"fmt"
	"strings"

	"troupe/app"
)

type serveCommand struct {
	Service string `arg:"" help:"The service to run."`
}

// Run runs one service by itself, as cmd/NAME does.
func (c serveCommand) Run() error {
	for _, s := range everything {
		if s.Name == c.Service {
			app.Main(s)
			return nil
		}
	}
	return fmt.Errorf("no service is called %q: give one of %s", c.Service, strings.Join(names(), ", "))
}
