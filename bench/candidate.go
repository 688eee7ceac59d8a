package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"troupe/test/cluster"
)

// candidate is a revision of the program.
type candidate struct {
	name    string // of the revision
	program string // the built program
	dir     string
	// settings are "NAME=value", beyond those of every candidate.
	settings []string
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
	here := candidate{name: "this tree", dir: dir}
	all = append(all, here)
	var flags []string
	if o.profile != "" {
		flags = []string{"-tags", "profile"}
	}
	if all[0].program, err = cluster.Build(ctx, dir, flags...); err != nil || o.compare == "" && !o.console {
		return all, err
	}
	if o.console {
		return append(all, candidate{name: "without the console", program: all[0].program, settings: []string{"JOURNAL=off", "CONSOLE_MODE=off"}}), nil
	}
	other, err := buildRevision(ctx, o.compare)
	return append(all, other), err
}

// buildRevision builds the program of another git revision, in a worktree of its own.
func buildRevision(ctx context.Context, revision string) (c candidate, err error) {
	hash, err := git(ctx, "rev-parse", "--short", revision+"^{commit}")
	if err != nil {
		return c, err
	}
	c.name = revision
	if hash != revision {
		c.name += " (" + hash + ")"
	}
	if c.dir, err = os.MkdirTemp("", "troupe-bench-"); err != nil {
		return c, err
	}
	tree := filepath.Join(c.dir, "tree")
	if _, err := git(ctx, "worktree", "add", "--detach", tree, hash); err != nil {
		return c, err
	}
	defer git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree) //nolint:errcheck // the folder is removed anyway
	c.program = filepath.Join(c.dir, "troupe")
	command := exec.CommandContext(ctx, "go", "build", "-o", c.program, "./cmd/troupe") //nolint:gosec // the path is a temporary folder of the bench
	command.Dir = tree
	if out, err := command.CombinedOutput(); err != nil {
		return c, fmt.Errorf("build %s: %w: %s", c.name, err, out)
	}
	return c, nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput() //nolint:gosec // the revision is chosen by who runs the bench
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// remove removes what was built.
func (all candidates) remove() {
	for _, c := range all {
		_ = os.RemoveAll(c.dir) // a temporary folder
	}
}
