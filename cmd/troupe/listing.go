package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// listing holds the flag of commands that list.
type listing struct {
	JSON bool `help:"Print a JSON array, for programs."`
}

// printList prints the items as a table of tab-separated rows, or as JSON. Without an item
// it prints the sentence none, or an empty array.
func printList[T any](l listing, items []T, none, header string, row func(T) string) error {
	if l.JSON {
		return writeJSON(os.Stdout, append([]T{}, items...)) // never null
	}
	if len(items) == 0 {
		_, err := fmt.Println(none)
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, header)
	for _, item := range items {
		fmt.Fprintln(table, row(item))
	}
	return table.Flush()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
