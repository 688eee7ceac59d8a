package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
)

// These are short soaks, as a long one takes too long for a test.

func TestOneProcessSurvivesAShortSoak(t *testing.T) {
	t.Parallel()
	shortSoak(t, options{Orders: 400, Seed: 1, Rate: 100, Customers: 16, KillInterval: 700 * time.Millisecond, OutageInterval: time.Hour})
}

func TestAProcessPerServiceSurvivesAShortSoak(t *testing.T) {
	t.Parallel()
	if !rabbittest.Available(t) {
		t.Skipf("%s is not set, so the servers' packages may be missing: a process for each service is left out", rabbittest.Variable)
	}
	shortSoak(t, options{
		Orders: 400, ProcessPerService: true, Seed: 1, Rate: 50, Customers: 16,
		KillInterval: time.Second, OutageInterval: 3 * time.Second,
	})
}

func shortSoak(t *testing.T, o options) {
	t.Helper()
	o.Limit, o.ExpireLeases = 5*time.Minute, true
	var out strings.Builder
	err := soak(t.Context(), o, &out)
	t.Log(out.String())
	require.NoError(t, err)
	require.Contains(t, out.String(), "every invariant holds")
}

func TestOptionsAreParsedAndChecked(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-orders", "5", "-shape", "process-per-service", "-seed", "7", "-kill-every", "1s"})
	require.NoError(t, err)
	require.Equal(t, options{
		Orders: 5, ProcessPerService: true, Seed: 7, Rate: 100, Customers: 32,
		KillInterval: time.Second, OutageInterval: 20 * time.Second, Limit: 30 * time.Minute,
	}, o)
	for _, wrong := range [][]string{{"-shape", "sideways"}, {"-orders", "0"}, {"-kill-every", "0s"}, {"-rate", "-1"}} {
		t.Run(wrong[0], func(t *testing.T) {
			t.Parallel()
			_, err := parseOptions(wrong)
			require.ErrorContains(t, err, wrong[0])
		})
	}
}
