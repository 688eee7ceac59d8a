package simulation

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// named matches the name of a test on the page.
var named = regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9]+)`")

func TestEveryTestNamedByTheGuaranteesExists(t *testing.T) {
	t.Parallel()
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "GUARANTEES.md"))
	require.NoError(t, err)
	all := named.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(all), 30, "hardly any test is named: the pattern looks for the wrong thing")
	for _, m := range all {
		files, err := filepath.Glob(filepath.Join(root, m[1], "*_test.go"))
		require.NoError(t, err)
		require.True(t, declares(t, files, m[2]), "docs/GUARANTEES.md names %s.%s, which does not exist", m[1], m[2])
	}
}

func TestEveryGuaranteeNamesATest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "GUARANTEES.md"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| [A-Z].*$`).FindAllString(string(page), -1)
	require.Greater(t, len(rows), 20, "hardly any guarantee is found: the pattern looks for the wrong thing")
	for _, row := range rows {
		require.Regexp(t, named, row)
	}
}

// declares reports whether one of the files declares the test.
func declares(t *testing.T, files []string, test string) bool {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ` + test + `\(t \*testing\.T\)`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		if declaration.Match(source) {
			return true
		}
	}
	return false
}
