package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"troupe/events"
)

// checkCompensations returns an error if the services that events.Compensations lists are
// not those that register a handler with inbox.NeverGiveUp.
func checkCompensations() error {
	var listed, registered []string
	for _, services := range events.Compensations {
		listed = append(listed, services...)
	}
	names, err := filepath.Glob("services/*/*.go")
	if err != nil {
		return err
	}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(name, "_test.go") && strings.Contains(string(source), "inbox.NeverGiveUp()") {
			registered = append(registered, filepath.Base(filepath.Dir(name)))
		}
	}
	if listed, registered = distinct(listed), distinct(registered); !slices.Equal(listed, registered) {
		return fmt.Errorf("events.Compensations lists %q, but handlers with inbox.NeverGiveUp are in %q: bring events/topology.go up to date", listed, registered)
	}
	return nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
