package simulation

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func newSimulator(t *testing.T) *Simulator {
	t.Helper()
	p, err := NewSimulator()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// This is a short run of cmd/simulate.
func TestEveryInvariantHoldsUnderFaults(t *testing.T) {
	t.Parallel()
	runs := 0
	plan := Plan{First: 1, Seeds: 24, Steps: 500, Workers: runtime.GOMAXPROCS(0)}
	require.NoError(t, Run(t.Context(), plan, func(s Summary) {
		runs++
		require.Positive(t, len(s.Orders), "seed %d: there is no order", s.Seed)
	}))
	require.Equal(t, plan.Seeds, runs)
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	t.Parallel()
	one, other := newSimulator(t), newSimulator(t)
	for seed := range uint64(6) {
		first, err := one.Simulate(t.Context(), seed, 300, nil)
		require.NoError(t, err)
		_, err = other.Simulate(t.Context(), 1000+seed, 50, nil) // what was in the databases before must not matter
		require.NoError(t, err)
		second, err := other.Simulate(t.Context(), seed, 300, nil)
		require.NoError(t, err)
		require.Equal(t, first, second)
	}
}

// A simulation in which nothing goes wrong finds nothing.
func TestEveryKindOfFaultHappens(t *testing.T) {
	t.Parallel()
	s := newSimulator(t)
	seen := map[string]int{}
	for seed := range uint64(36) {
		r, err := newRun(t.Context(), seed, s.databases, nil)
		require.NoError(t, err)
		_, err = r.execute(t.Context(), stepsUpTo(400))
		require.NoError(t, err)
		for _, line := range r.history.lines {
			for _, expected := range expectedLines {
				if strings.Contains(line, expected) {
					seen[expected]++
				}
			}
		}
		for _, p := range r.checker.journal {
			seen[p.Type]++
			for _, reason := range cancelReasons {
				if p.Type == "order.cancelled.v1" && strings.Contains(string(p.Body), `"reason":"`+reason+`"`) {
					seen[reason]++
				}
			}
		}
		seen["parked"] += r.checker.parkCount
		for transition, n := range r.checker.transitions {
			seen[transition] += n
		}
	}
	t.Log(seen)
	for _, what := range slices.Concat([]string{"parked"}, expectedLines, cancelReasons, expectedTransitions) {
		require.Positive(t, seen[what], what)
	}
	for eventType, consumers := range topologyWithCounter() {
		if len(consumers) > 0 && !slices.Contains(notSimulated, eventType) { // what has no consumer is not published
			require.Positive(t, seen[eventType], eventType)
		}
	}
}

// notSimulated are the event types that do not occur: the stub in the place of users signs
// no one in, no mailbox refuses a mail for good, and no service loses its projections.
var notSimulated = []string{
	"session.revoked.v1", "session.revoked.v2", "user.signed_in_on_new_device.v1", "user.password_changed.v1", "notification.failed.v1",
	"projection.requested.v1",
}

// expectedLines are parts of the lines that the histories must have.
var expectedLines = []string{
	"crashes midway", "crashes", "enters a crash loop", "loses its session", "is cut off", "the database fails for a moment", "redelivers",
	"no confirmation came", "gets a response of the provider", "clock is", "is down", "only orders runs", "everything is redelivered",
	"has the products published again", "the provider does not answer", "the machine sleeps", "its disk is full", "no space left",
}

// expectedTransitions are those of reservations, some of which need a reordering or a long wait.
var expectedTransitions = []string{">held", ">released", ">rejected", "held>committed", "held>released", "committed>released", "held>expired", "expired>released"}

// cancelReasons are the reasons with which orders must have been cancelled.
var cancelReasons = []string{"stock_rejected", "payment_declined", "deadline", "customer", "admin", "capture_failed"}

func TestAFailureIsShortened(t *testing.T) {
	t.Parallel()
	bug := Bug{Name: "a cancel that comes first leaves no tombstone", BeforeCommit: execute("inventory", noTombstones)}
	plan := Plan{Seeds: 60, Steps: 400, Bug: &bug, Tries: 200}
	err := Run(t.Context(), plan, func(Summary) {})
	var f *Failure
	require.True(t, errors.As(err, &f), "%v", err)
	require.Less(t, len(f.Steps), 100, "the run is still long")
	require.Contains(t, f.Error(), "has handled its cancellation")
	_, again := newSimulator(t).simulate(t.Context(), f.Seed, f.Steps, &bug)
	require.EqualError(t, again, f.Error())
	t.Log(f)
}
