// Command generate writes the documents that follow from the code: EVENTS.md
// and SETTINGS.md. With -check it only says whether they are stale.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"os"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "only say whether the documents are stale")
	flag.Parse()
	for path, write := range map[string]func() ([]byte, error){
		"docs/EVENTS.md":   eventsDocument,
		"docs/SETTINGS.md": settingsDocument,
	} {
		if err := generate(path, write, *check); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
	}
}

func generate(path string, write func() ([]byte, error), check bool) error {
	fresh, err := write()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !check {
		return os.WriteFile(path, fresh, 0o644) //nolint:gosec // a document that anybody may read
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

// oneLine is a comment as a table cell.
func oneLine(comments ...*ast.CommentGroup) string {
	for _, c := range comments {
		if text := strings.Join(strings.Fields(c.Text()), " "); text != "" {
			return strings.ReplaceAll(text, "|", "\\|")
		}
	}
	return ""
}
