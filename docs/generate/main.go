// Command generate writes the documents that follow from the code: EVENTS.md,
// SETTINGS.md, the schemas of the events, their AsyncAPI document and their page, the
// table of services in ARCHITECTURE.md, the checksums of the migrations, and RabbitMQ's definitions.
// With -check it writes nothing and fails if one of them is stale.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
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
		migrationSums:          migrationsDocument,

		"deploy/rabbitmq/definitions.json":                definitionsDocument,
		"events/asyncapi.json":                            asyncAPIDocument,
		"services/gateway/internal/catalogue/events.html": catalogueDocument,
	} {
		errs = append(errs, generate(path, write, *check))
	}
	errs = append(errs, generateSchemas(*check))
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// generateSchemas writes the schemas of the events, if none of them breaks what was
// published.
func generateSchemas(check bool) error {
	documents, err := schemaDocuments()
	if err != nil {
		return err
	}
	var errs []error
	for path, document := range documents {
		errs = append(errs, generate(path, func() ([]byte, error) { return document, nil }, check))
	}
	present, err := filepath.Glob(schemaFolder + "/*.json")
	errs = append(errs, err)
	for _, path := range present {
		if documents[filepath.ToSlash(path)] == nil {
			errs = append(errs, fmt.Errorf("%s: there is no such event: remove the file if no consumer or publisher is left", path))
		}
	}
	return errors.Join(errs...)
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
