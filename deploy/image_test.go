package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files that .dockerignore leaves out are missing when the image is built.
func TestTheImageContainsEverythingThatTheProgramsImport(t *testing.T) {
	t.Parallel()
	ignore, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	let := strings.Fields(string(ignore))
	commands, err := exec.CommandContext(t.Context(), "go", "list", "troupe/cmd/...").Output()
	require.NoError(t, err)
	args := []string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}
	for command := range strings.FieldsSeq(string(commands)) {
		if !slices.Contains(let, strings.TrimPrefix(command, "troupe/")) { // not part of the image
			args = append(args, command)
		}
	}
	imported, err := exec.CommandContext(t.Context(), "go", args...).Output()
	require.NoError(t, err)
	var ours int
	for path := range strings.FieldsSeq(string(imported)) {
		if inside, ok := strings.CutPrefix(path, "troupe/"); ok {
			folder, _, _ := strings.Cut(inside, "/")
			require.Contains(t, let, "!"+folder, "%s: let %s in", path, folder)
			ours++
		}
	}
	require.Greater(t, ours, 10)
}
