package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"troupe/bench/internal/revision"
	"troupe/services"
	"troupe/test/cluster"
)

// candidate is a revision of the program.
type candidate struct {
	name    string // of the revision
	program string // the built program
	dir     string
	// settings are "NAME=value", beyond those of every candidate.
	settings []string
	profile  string // the folder of its CPU profiles; "": none are written
	// lacks are the services of this tree that the revision does not have.
	lacks []string
}

type candidates []candidate

// build builds the program of this tree and, if asked for, that of another revision.
func build(ctx context.Context, o options) (all candidates, err error) {
	defer func() {
		if err != nil {
			all.remove()
		}
	}()
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	here := candidate{name: "this tree", dir: dir, profile: o.profile}
	all = append(all, here)
	var flags []string
	if o.profile != "" {
		flags = []string{"-tags", "profile"}
	}
	if all[0].program, err = cluster.Build(ctx, dir, flags...); err != nil || o.compare == "" && !o.console {
		return all, err
	}
	if o.console {
		without := candidate{name: "without the console", program: all[0].program, settings: []string{"JOURNAL=off", "CONSOLE_MODE=off"}}
		if o.profile != "" {
			without.profile = filepath.Join(o.profile, "without-the-console")
		}
		return append(all, without), nil
	}
	other, err := buildRevision(ctx, o.compare)
	if o.compareSettings != "" {
		other.settings = strings.Split(o.compareSettings, ",")
	}
	return append(all, other), err
}

// buildRevision builds the program of another git revision.
func buildRevision(ctx context.Context, name string) (c candidate, err error) {
	if c.dir, err = os.MkdirTemp("", "troupe-bench-"); err != nil {
		return c, err
	}
	c.program = filepath.Join(c.dir, "troupe")
	if c.name, err = revision.Build(ctx, name, "./cmd/troupe", c.program); err != nil {
		return c, err
	}
	for _, service := range services.Names() {
		if !revision.Has(ctx, name, "services/"+service) {
			c.lacks = append(c.lacks, service)
		}
	}
	return c, nil
}

// remove removes what was built.
func (all candidates) remove() {
	for _, c := range all {
		_ = os.RemoveAll(c.dir) // a temporary folder
	}
}
