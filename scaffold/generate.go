package scaffold

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// generated are the commands that write what follows from the code: the golden files of
// new events, then the documents.
var generated = [][]string{
	{"go", "test", "./events", "-run", "TestPayloadsMatchTheirGoldenFiles", "-update"},
	{"make", "generate"},
}

// Generate writes what follows from the code at dir. The output of the commands goes to
// log.
func Generate(ctx context.Context, dir string, log io.Writer) error {
	for _, c := range generated {
		command := exec.CommandContext(ctx, c[0], c[1:]...) //nolint:gosec // the commands are those above
		command.Dir, command.Stdout, command.Stderr = dir, log, log
		if err := command.Run(); err != nil {
			return fmt.Errorf("the files are written, but %v failed: %w; correct the reason above, then run 'make generate'", c, err)
		}
	}
	return nil
}
