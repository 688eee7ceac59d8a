//go:build crashpoints

package crashpoint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNthPassingIsTheLast(t *testing.T) {
	t.Parallel()
	f, err := parse(string(OutboxRead) + "#3")
	require.NoError(t, err)
	var got []bool
	for _, p := range []Point{OutboxRead, OutboxPublished, OutboxRead, OutboxRead, OutboxRead} {
		got = append(got, f.passed(p))
	}
	require.Equal(t, []bool{false, false, false, true, false}, got)
}

func TestWithoutANameNothingEnds(t *testing.T) {
	t.Parallel()
	f, err := parse("")
	require.NoError(t, err)
	for _, p := range All {
		require.False(t, f.passed(p))
	}
}

func TestAMistypedNameIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"outbox", "outbox: read", string(OutboxRead) + "#0", string(OutboxRead) + "#x", "#1x"} {
		_, err := parse(s)
		require.ErrorContains(t, err, Variable)
	}
}
