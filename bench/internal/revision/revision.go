// Package revision builds programs of other git revisions, to measure them beside those of
// this tree.
package revision

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds a package of a revision into the file program, in a worktree of its own,
// and returns the name of the revision with its hash.
func Build(ctx context.Context, revision, pkg, program string, flags ...string) (name string, err error) {
	hash, err := git(ctx, "rev-parse", "--short", revision+"^{commit}")
	if err != nil {
		return "", err
	}
	name = revision
	if hash != revision {
		name += " (" + hash + ")"
	}
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return name, err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if _, err := git(ctx, "worktree", "add", "--detach", tree, hash); err != nil {
		return name, err
	}
	defer git(context.WithoutCancel(ctx), "worktree", "remove", "--force", tree)                                  //nolint:errcheck // the folder is removed anyway
	command := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", program, pkg)...) //nolint:gosec // all of it is named by the bench
	command.Dir = tree
	if out, err := command.CombinedOutput(); err != nil {
		return name, fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return name, nil
}

// Has reports whether a revision has a file or folder.
func Has(ctx context.Context, revision, path string) bool {
	_, err := git(ctx, "cat-file", "-e", revision+":"+path)
	return err == nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput() //nolint:gosec // the revision is chosen by who runs the bench
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
