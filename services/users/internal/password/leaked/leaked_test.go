package leaked

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheFilterHasTheCommonestPasswords(t *testing.T) {
	t.Parallel()
	for _, leaked := range []string{
		"123456", "password", "dragon", "p@ssw0rd", "1qaz2wsx3edc", "manchesterunited", // of the first 100,000
		"iloveyouforever", // further down, but long
	} {
		require.True(t, Contains(leaked), leaked)
	}
	require.Greater(t, len(passwords)*8/bitsPerPassword, Commonest)
}

// TestTheFilterIsSeldomWrong counts the strings that are on no list but are taken for
// leaked ones.
func TestTheFilterIsSeldomWrong(t *testing.T) {
	t.Parallel()
	const tried = 200_000
	wrong := 0
	for i := range tried {
		if Contains(fmt.Sprintf("on no list %d", i)) {
			wrong++
		}
	}
	require.LessOrEqual(t, wrong, 8, "1 in 100,000, and what chance adds")
}

func TestAFilterHasEverythingItWasBuiltOf(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 10_000 {
		all = append(all, fmt.Sprintf("leaked %d", i))
	}
	built := filter(Build(all))
	for _, s := range all {
		require.True(t, built.contains(s), s)
	}
}

func TestTheListIsCutByRankAndByLength(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	list.WriteString("Dragon\ndragon\nabc\n")
	for i := range Commonest {
		fmt.Fprintf(&list, "filler%d\n", i)
	}
	list.WriteString("short\nlong enough to count\n")
	selected, err := Select(strings.NewReader(list.String()))
	require.NoError(t, err)
	require.Equal(t, []string{"dragon", "abc", "filler0"}, selected[:3])
	require.Contains(t, selected, "long enough to count")
	require.NotContains(t, selected, "short")
}
