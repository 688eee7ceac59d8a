//go:build failpoints

package failpoint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	written   = New("test: written")
	published = New("test: published")
)

func TestTheNthPassingIsTheLast(t *testing.T) {
	t.Parallel()
	f, err := parse(written.String() + "#3")
	require.NoError(t, err)
	var got []bool
	for _, p := range []Point{written, published, written, written, written} {
		got = append(got, f.reached(p))
	}
	require.Equal(t, []bool{false, false, false, true, false}, got)
}

func TestWithoutANameNothingEnds(t *testing.T) {
	t.Parallel()
	f, err := parse("")
	require.NoError(t, err)
	require.False(t, f.reached(written))
	require.False(t, f.reached(published))
}

func TestAMistypedNameIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"test", "test: writen", written.String() + "#0", written.String() + "#x", "#1x"} {
		_, err := parse(s)
		require.ErrorContains(t, err, Variable)
	}
}
