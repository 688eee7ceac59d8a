package troupe

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheGlossaryNamesPackagesThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/GLOSSARY.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\| (.+) \\| (.+) \\| `(\\S+)` \\|$").FindAllSubmatch(text, -1)
	require.Greater(t, len(rows), 40)
	for _, row := range rows {
		files, err := filepath.Glob(filepath.Join(string(row[3]), "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, "%s: there is no package %s", row[1], row[3])
	}
}
