// Command generate makes the filter of leaked passwords from a list of them; package
// leaked describes both.
package main

import (
	"flag"
	"fmt"
	"os"

	"troupe/services/users/internal/password/leaked"
)

func main() {
	list := flag.String("list", "", "the list of passwords, commonest first, one a line")
	to := flag.String("to", "", "the file of the filter")
	flag.Parse()
	if err := generate(*list, *to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(list, to string) error {
	file, err := os.Open(list)
	if err != nil {
		return err
	}
	defer file.Close()
	selected, err := leaked.Select(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d passwords\n", len(selected))
	return os.WriteFile(to, leaked.Build(selected), 0o600)
}
