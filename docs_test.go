package troupe

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documents are those whose links and paths are checked.
var documents = []string{
	"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/adr/*.md", "deploy/README.md", "bench/README.md",
}

// A path in a document is written in code quotes, from the root: `services/orders/api.go`, `test/*.go`.
var (
	quotedPath = regexp.MustCompile("`((?:app|bench|client|cmd|deploy|docs|events|patterns|platform|scripts|services|test|tools)/[\\w./*-]+)`")
	link       = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

func TestDocumentsNameFilesThatExist(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, pattern := range documents {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range quotedPath.FindAllStringSubmatch(string(text), -1) {
				// "patterns/outbox.TestX" names a test of a package; simulation checks these.
				path, _, _ := strings.Cut(m[1], ".Test")
				found, err := filepath.Glob(path)
				require.NoError(t, err)
				require.NotEmpty(t, found, "%s mentions %s, which does not exist", file, m[1])
				checked++
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				_, err := os.Stat(filepath.Join(filepath.Dir(file), m[1]))
				require.NoError(t, err, "a link of %s", file)
				checked++
			}
		}
	}
	require.Greater(t, checked, 50)
}
