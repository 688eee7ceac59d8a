package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
)

// A short soak, where a long one can not be waited for.
func TestTogether(t *testing.T) {
	t.Parallel()
	short(t, soak{Orders: 400, Seed: 1, Rate: 100, Customers: 16, KillEvery: 700 * time.Millisecond, OutageEvery: time.Hour})
}

func TestApart(t *testing.T) {
	t.Parallel()
	if !rabbittest.Available(t) {
		t.Skipf("%s is not set, so the servers' packages may be missing: a process for each service is left out", rabbittest.Variable)
	}
	short(t, soak{Orders: 400, Apart: true, Seed: 1, Rate: 50, Customers: 16, KillEvery: time.Second, OutageEvery: 3 * time.Second})
}

func short(t *testing.T, o soak) {
	t.Helper()
	o.Limit, o.Hurry = 5*time.Minute, true
	var out strings.Builder
	err := run(t.Context(), o, &out)
	t.Log(out.String())
	require.NoError(t, err)
	require.Contains(t, out.String(), "every invariant holds")
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := options([]string{"-orders", "5", "-shape", "apart", "-seed", "7", "-kill-every", "1s"})
	require.NoError(t, err)
	require.Equal(t, soak{
		Orders: 5, Apart: true, Seed: 7, Rate: 100, Customers: 32,
		KillEvery: time.Second, OutageEvery: 20 * time.Second, Limit: 30 * time.Minute,
	}, o)
	for _, wrong := range [][]string{{"-shape", "sideways"}, {"-orders", "0"}, {"-kill-every", "0s"}, {"-rate", "-1"}} {
		_, err := options(wrong)
		require.ErrorContains(t, err, wrong[0])
	}
}
