package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// regressions are runs that once failed, as their failure printed them, or that found a
// mistake made on purpose. They must not fail again.
var regressions = []struct {
	seed  uint64
	steps []int
}{
	{2, stepsUpTo(500)}, // found orders that were confirmed with stock alone, and deadlines that passed at once
	{7, stepsUpTo(500)}, // found orders that were paid with a capture alone
}

func TestRunsThatOnceFailedSucceed(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	for _, regression := range regressions {
		_, err := s.simulate(t.Context(), regression.seed, regression.steps, nil)
		require.NoError(t, err)
	}
}
