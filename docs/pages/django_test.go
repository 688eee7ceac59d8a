package pages_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page names identifiers in code quotes. Each must be in one of the files of its row.
func TestWhatTheDjangoPageNamesExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../FROM-DJANGO.md")
	require.NoError(t, err)
	quoted := regexp.MustCompile("`([^`]+)`")
	identifier := regexp.MustCompile(`^(?:\w+\.)?([A-Z]\w+)(?:\(.*\))?$`)
	checked := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		var code strings.Builder
		for _, file := range quoted.FindAllStringSubmatch(cells[3], -1) {
			content, err := os.ReadFile("../../" + file[1])
			require.NoError(t, err)
			code.Write(content)
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if m := identifier.FindStringSubmatch(name[1]); m != nil {
				require.Contains(t, code.String(), m[1], "%s of the row %s", name[1], strings.TrimSpace(cells[1]))
				checked++
			}
		}
	}
	require.Greater(t, checked, 8)
}
