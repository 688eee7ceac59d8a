// Command generate writes the documents that follow from the code: EVENTS.md,
// SETTINGS.md and the table of services in ARCHITECTURE.md. With -check it writes
// nothing and fails if one of them is stale.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"os"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a document is stale")
	flag.Parse()
	var errs []error
	for path, write := range map[string]func() ([]byte, error){
		"docs/ARCHITECTURE.md": architectureDocument,
		"docs/EVENTS.md":       eventsDocument,
		"docs/SETTINGS.md":     settingsDocument,
	} {
		errs = append(errs, generate(path, write, *check))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func generate(path string, write func() ([]byte, error), check bool) error {
	fresh, err := write()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !check {
		return os.WriteFile(path, fresh, 0o644) //nolint:gosec // a public document
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(kept, fresh) {
		return fmt.Errorf("%s is stale: run 'make generate' and commit it", path)
	}
	return nil
}

// oneLine returns the first comment that is not empty, as a table cell.
func oneLine(comments ...*ast.CommentGroup) string {
	for _, c := range comments {
		if text := strings.Join(strings.Fields(c.Text()), " "); text != "" {
			return strings.ReplaceAll(text, "|", "\\|")
		}
	}
	return ""
}
