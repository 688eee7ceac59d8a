package simulation

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func player(t *testing.T) *Player {
	t.Helper()
	p, err := NewPlayer()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// TestTheSystemHolds is a short run of what troupe simulate does at length.
func TestTheSystemHolds(t *testing.T) {
	t.Parallel()
	worlds := 0
	plan := Plan{First: 1, Seeds: 24, Steps: 500, Players: runtime.GOMAXPROCS(0)}
	require.NoError(t, Run(t.Context(), plan, func(s Summary) {
		worlds++
		require.Positive(t, len(s.Orders), "seed %d: nobody ordered anything", s.Seed)
	}))
	require.Equal(t, plan.Seeds, worlds)
}

func TestTheSameSeedIsTheSameStory(t *testing.T) {
	t.Parallel()
	one, other := player(t), player(t)
	for seed := range uint64(6) {
		first, err := one.Play(t.Context(), seed, 300, nil)
		require.NoError(t, err)
		_, err = other.Play(t.Context(), 1000+seed, 50, nil) // what was on a disk before must not matter
		require.NoError(t, err)
		second, err := other.Play(t.Context(), seed, 300, nil)
		require.NoError(t, err)
		require.Equal(t, first, second)
	}
}

// TestTheStormBlows demands that worlds have all the trouble that they are meant to
// have: a simulation in which nothing happens finds nothing.
func TestTheStormBlows(t *testing.T) {
	t.Parallel()
	p := player(t)
	seen := map[string]int{}
	for seed := range uint64(36) {
		w, err := newWorld(t.Context(), seed, p.disks, nil)
		require.NoError(t, err)
		_, err = w.run(t.Context(), numbers(400))
		require.NoError(t, err)
		for _, line := range w.history.lines {
			for _, trouble := range troubles {
				if strings.Contains(line, trouble) {
					seen[trouble]++
				}
			}
		}
		for _, f := range w.witness.journal {
			seen[f.Type]++
			for _, reason := range reasons {
				if f.Type == "order.cancelled.v1" && strings.Contains(string(f.Body), `"reason":"`+reason+`"`) {
					seen[reason]++
				}
			}
		}
		seen["parked"] += w.witness.parkings
		for move, n := range w.witness.moves {
			seen[move] += n
		}
	}
	t.Log(seen)
	for _, what := range slices.Concat([]string{"parked"}, troubles, reasons, moves) {
		require.Positive(t, seen[what], what)
	}
	for eventType := range withTally() {
		if eventType != "session.revoked.v1" && eventType != "notification.failed.v1" {
			require.Positive(t, seen[eventType], eventType)
		}
	}
}

var troubles = []string{
	"dies in the middle", "crashes", "enters a crash loop", "loses its session", "is cut off", "the database has a hiccup", "repeats",
	"no confirmation came", "hears from the provider", "clock is", "is down", "only orders is left", "everything is said again",
	"the provider does not answer",
}

// moves of reservations, some of which need a reordering or a long silence.
var moves = []string{">held", ">released", ">rejected", "held>committed", "held>released", "committed>released", "held>expired", "expired>released"}

var reasons = []string{"stock_rejected", "payment_declined", "deadline", "customer", "admin", "capture_failed"}

func TestAFailureIsToldShortly(t *testing.T) {
	t.Parallel()
	fault := Fault{Name: "a cancel that comes first leaves no tombstone", BeforeCommit: executes("inventory", noTombstones)}
	plan := Plan{Seeds: 60, Steps: 400, Fault: &fault, Tries: 200}
	err := Run(t.Context(), plan, func(Summary) {})
	var f *Failure
	require.True(t, errors.As(err, &f), "%v", err)
	require.Less(t, len(f.Steps), 100, "the story is still long")
	require.Contains(t, f.Error(), "heard of its end")
	_, again := player(t).play(t.Context(), f.Seed, f.Steps, &fault)
	require.EqualError(t, again, f.Error())
	t.Log(f)
}
