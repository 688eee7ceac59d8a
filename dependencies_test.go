package troupe

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	var required []string
	for line := range strings.Lines(string(mod)) {
		if m := regexp.MustCompile(`^\t(\S+) v\S+\n$`).FindStringSubmatch(line); m != nil {
			required = append(required, m[1])
		}
	}
	list, err := os.ReadFile("docs/DEPENDENCIES.md")
	require.NoError(t, err)
	var explained []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \| .+ \|$`).FindAllStringSubmatch(string(list), -1) {
		explained = append(explained, m[1])
	}
	require.ElementsMatch(t, required, explained)
}
