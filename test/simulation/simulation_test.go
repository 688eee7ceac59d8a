package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func player(t *testing.T) *Player {
	t.Helper()
	p, err := NewPlayer()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func TestTheSystemHolds(t *testing.T) {
	t.Parallel()
	p := player(t)
	start := time.Now()
	steps := 0
	for seed := range uint64(20) {
		s, err := p.Play(t.Context(), seed, 500, nil)
		steps += s.Steps
		t.Log(s)
		require.NoError(t, err)
	}
	t.Log(float64(steps)/time.Since(start).Minutes(), "steps a minute")
}
