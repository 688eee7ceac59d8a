package troupe

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// documents are those whose links and paths are checked. The changelog may name what
// is no more.
var documents = []string{
	"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/adr/*.md", "deploy/README.md", "bench/README.md",
}

// References to files: `services/orders/api.go` and `test/*.go` in code quotes, from the
// root; ./cmd/simulate in a command; [text](file.md) from the folder of the document.
var (
	quotedPath  = regexp.MustCompile("`((?:app|bench|client|cmd|deploy|docs|events|patterns|platform|scripts|services|test|tools)/[\\w./*-]+|\\.ci/run|[\\w-]+_test\\.go|go\\.mod)`")
	commandPath = regexp.MustCompile(`(?:run|test|build|race) (?:-\S+ (?:'[^']*' )?)*\./([\w/-]+)`)
	link        = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// madeByTheGuide is the service that docs/GUIDE.md adds; docs/pages checks that page.
const madeByTheGuide = "services/loyalty"

// references returns the files that a document refers to, as patterns from the root.
func references(document, text string) (patterns []string) {
	for _, m := range quotedPath.FindAllStringSubmatch(text, -1) {
		name, _, _ := strings.Cut(m[1], ".Test") // `patterns/outbox.TestX` is a test of a package
		patterns = append(patterns, strings.TrimSuffix(name, "/"))
	}
	for _, m := range commandPath.FindAllStringSubmatch(text, -1) {
		patterns = append(patterns, strings.TrimSuffix(m[1], "/"))
	}
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		patterns = append(patterns, path.Join(path.Dir(document), m[1]))
	}
	if document == "docs/GUIDE.md" {
		return slices.DeleteFunc(patterns, func(pattern string) bool { return within(pattern, madeByTheGuide) })
	}
	return patterns
}

// deadReferences returns a sentence for every reference to a file that does not exist.
func deadReferences(tree fs.FS, document string) (checked int, dead []string, err error) {
	text, err := fs.ReadFile(tree, document)
	if err != nil {
		return 0, nil, err
	}
	all := references(document, string(text))
	for _, pattern := range all {
		found, err := fs.Glob(tree, pattern)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %s: %w", document, pattern, err)
		}
		if len(found) == 0 {
			dead = append(dead, fmt.Sprintf("%s refers to %s, which does not exist: correct the document", document, pattern))
		}
	}
	return len(all), dead, nil
}

func TestDocumentsReferToFilesThatExist(t *testing.T) {
	t.Parallel()
	total := 0
	for _, pattern := range documents {
		names, err := fs.Glob(os.DirFS("."), pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names, pattern)
		for _, name := range names {
			checked, dead, err := deadReferences(os.DirFS("."), name)
			require.NoError(t, err)
			require.Empty(t, dead, strings.Join(dead, "\n"))
			total += checked
		}
	}
	require.Greater(t, total, 100)
}

func TestADeadReferenceIsReported(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"docs/GUIDE.md":           {Data: []byte("See `test/*_test.go`, `test/gone.go`, `gone_test.go` and [that](adr/0001.md), [this](../README.md#next).\n`go run -race ./cmd/troupe up`, `go test -run '^$' ./gone/...`")},
		"README.md":               {},
		"test/saga_test.go":       {},
		"cmd/troupe/main.go":      {},
		"docs/adr/0002-outbox.md": {},
	}
	checked, dead, err := deadReferences(tree, "docs/GUIDE.md")
	require.NoError(t, err)
	require.Equal(t, 7, checked)
	require.Equal(t, []string{
		"docs/GUIDE.md refers to test/gone.go, which does not exist: correct the document",
		"docs/GUIDE.md refers to gone_test.go, which does not exist: correct the document",
		"docs/GUIDE.md refers to gone, which does not exist: correct the document",
		"docs/GUIDE.md refers to docs/adr/0001.md, which does not exist: correct the document",
	}, dead)
}

// The map of ARCHITECTURE.md names every folder of the root.
func TestTheMapIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	require.NoError(t, err)
	parts := strings.SplitN(string(text), "```", 3)
	require.Len(t, parts, 3, "docs/ARCHITECTURE.md has no map")
	drawn := strings.Fields(parts[1])
	for folder := range mayImport {
		if folder != "" {
			require.True(t, slices.Contains(drawn, folder+"/") || strings.Contains(parts[1], "\n"+folder+"/"),
				"the map of docs/ARCHITECTURE.md does not show %s/", folder)
		}
	}
}
