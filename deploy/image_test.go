package deploy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What .dockerignore leaves out is not there when the image is built.
func TestTheImageIsBuiltFromAllThatTheProgramsImport(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "troupe/cmd/...")
	imported, err := list.Output()
	require.NoError(t, err)
	ignore, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	let := strings.Fields(string(ignore))
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
