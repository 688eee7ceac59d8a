package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFewRunsViolateNothing(t *testing.T) {
	t.Parallel()
	plan, err := parse([]string{"--seeds", "3", "--steps", "60"})
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, simulate(t.Context(), plan, &out))
	require.Regexp(t, "3 of 3 runs, 180 steps, .* every invariant holds", out.String())
}

func TestUnknownFlagsAreRejected(t *testing.T) {
	t.Parallel()
	_, err := parse([]string{"--worlds", "3"})
	require.ErrorContains(t, err, "worlds")
}
