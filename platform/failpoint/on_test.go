//go:build failpoints

package failpoint

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	written   = New("test: written")
	published = New("test: published")
)

func TestATriggerFiresAtTheNthHitOnly(t *testing.T) {
	t.Parallel()
	trigger, err := parse(written.String() + "#3")
	require.NoError(t, err)
	var got []bool
	for _, p := range []Point{written, published, written, written, written} {
		got = append(got, trigger.fires(p))
	}
	require.Equal(t, []bool{false, false, false, true, false}, got)
}

func TestATriggerWithoutANameNeverFires(t *testing.T) {
	t.Parallel()
	trigger, err := parse("")
	require.NoError(t, err)
	require.False(t, trigger.fires(written))
	require.False(t, trigger.fires(published))
}

func TestAnUnknownNameOrCountIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"test", "test: elsewhere", written.String() + "#0", written.String() + "#x", "#1x"} {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			_, err := parse(s)
			require.ErrorContains(t, err, Variable)
		})
	}
}

// The test runs itself in a second process, which must not get past the point.
func TestAHitKillsTheProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(Variable) == written.String() {
		published.Hit()
		written.Hit()
		os.Exit(0)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), Variable+"="+written.String())
	var ended *exec.ExitError
	require.ErrorAs(t, child.Run(), &ended, "the process went on after its fail point")
	require.False(t, ended.Exited(), "it must be killed, but ended by itself: %v", ended)
}
