package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// stories are those that once went wrong, as their failure told them, or that found
// a mistake made on purpose. They must not go wrong again.
var stories = []struct {
	seed  uint64
	steps []int
}{
	{2, numbers(500)}, // found orders that were confirmed on stock alone, and deadlines that came at once
	{7, numbers(500)}, // found orders that were paid on capture alone
}

func TestStoriesThatWentWrongGoWell(t *testing.T) {
	t.Parallel()
	p := player(t)
	for _, story := range stories {
		_, err := p.play(t.Context(), story.seed, story.steps, nil)
		require.NoError(t, err)
	}
}
