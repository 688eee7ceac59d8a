package throttle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestDelayDoublesUpToTheLongestWait(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		0, 0, 0, 0, 0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
		64 * time.Second, 128 * time.Second, 256 * time.Second, 512 * time.Second, MaxDelay, MaxDelay,
	}
	for failures, delay := range want {
		require.Equal(t, delay, PerAccount.delay(int64(failures)), failures)
	}
	require.Equal(t, MaxDelay, PerAccount.delay(1<<62))
}

// TestAtMost100GuessesInAnyDay plays attackers who guess as often as they may, after a
// pause of any length that lets failures be forgotten.
func TestAtMost100GuessesInAnyDay(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for pause := time.Duration(0); pause <= day; pause += 30 * time.Minute {
		var guesses []time.Time
		state, now := State{}, start
		for now.Before(start.Add(4 * day)) {
			reserved, decision := PerAccount.Reserve(state, now)
			if decision.Wait > 0 {
				now = now.Add(decision.Wait)
				continue
			}
			guesses = append(guesses, now)
			state = PerAccount.Fail(reserved, now)
			if len(guesses)%50 == 0 {
				now = now.Add(pause)
			}
		}
		for i := range guesses {
			if i >= 100 {
				require.Greater(t, guesses[i].Sub(guesses[i-100]), day, "guess %d, pause %s", i, pause)
			}
		}
		require.Greater(t, len(guesses), 100, "the owner, too, may try again soon")
	}
}

// The clock was a year ahead for a while: report rai-project/rai#35 (the user was shut out
// until the wrong time).
func TestAClockThatWasAheadShutsNobodyOut(t *testing.T) {
	t.Parallel()
	var state State
	for range 20 {
		state, _ = PerAccount.Reserve(state, start.AddDate(1, 0, 0))
		state = PerAccount.Fail(state, start.AddDate(1, 0, 0))
	}
	state.Pending, state.PendingUntil = 20, start.AddDate(1, 0, 0) // the process has crashed then

	reserved, decision := PerAccount.Reserve(state, start)
	require.Zero(t, decision)
	require.Equal(t, int64(1), reserved.Pending)

	failed := PerAccount.Fail(reserved, start)
	_, decision = PerAccount.Reserve(failed, start)
	require.Equal(t, MaxDelay, decision.Wait, "the failures are not forgotten")

	// A replica whose clock is behind by some seconds waits as the others do.
	_, decision = PerAccount.Reserve(failed, start.Add(-10*time.Second))
	require.Equal(t, MaxDelay+10*time.Second, decision.Wait)
}

func TestAsManyAttemptsAreCheckedAtATimeAsMayFail(t *testing.T) {
	t.Parallel()
	state := State{Failures: 2, LastAt: start}
	var decision Decision
	for range 3 {
		state, decision = PerAccount.Reserve(state, start)
		require.Zero(t, decision)
	}
	_, decision = PerAccount.Reserve(state, start)
	require.Equal(t, Decision{Pending: true}, decision)

	_, decision = PerAccount.Reserve(state.Clear(), start)
	require.Zero(t, decision, "one has succeeded")
	_, decision = PerAccount.Reserve(state.Return(), start)
	require.Zero(t, decision, "one was not checked")
	state = PerAccount.Fail(state, start)
	_, decision = PerAccount.Reserve(state, start)
	require.Equal(t, Decision{Pending: true}, decision, "one has failed")
	state = PerAccount.Fail(PerAccount.Fail(state, start), start)
	_, decision = PerAccount.Reserve(state, start)
	require.Equal(t, Decision{Wait: time.Second}, decision, "all have failed")

	state, decision = PerAccount.Reserve(state, start.Add(time.Second))
	require.Zero(t, decision)
	_, decision = PerAccount.Reserve(state, start.Add(time.Second))
	require.Equal(t, Decision{Pending: true}, decision, "after a wait, one at a time")
}

func TestAttemptsOfACrashedProcessAreGivenUp(t *testing.T) {
	t.Parallel()
	state := State{Pending: 5, PendingUntil: start.Add(pendingLimit)}
	_, decision := PerAccount.Reserve(state, start.Add(pendingLimit-1))
	require.True(t, decision.Pending)
	state, decision = PerAccount.Reserve(state, start.Add(pendingLimit))
	require.Zero(t, decision)
	require.EqualValues(t, 1, state.Pending)
	require.True(t, state.Return().Return().Idle(), "a late settlement takes nothing away")
}

func TestKeysAreEqualForTheSameAccountOrClient(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, Account("ada@example.com"), Account("bob@example.com"))

	same := func(a, b string) bool {
		keyA, okA := Address(a)
		keyB, okB := Address(b)
		return okA && okB && keyA == keyB
	}
	require.True(t, same("198.51.100.1", " 198.51.100.1 "))
	require.True(t, same("198.51.100.1", "::ffff:198.51.100.1"))
	require.False(t, same("198.51.100.1", "198.51.100.2"))
	require.True(t, same("2001:db8::1", "2001:db8::ffff"), "one client has a whole /64")
	require.True(t, same("fe80::1%eth0", "fe80::1%eth1"))
	require.False(t, same("2001:db8::1", "2001:db8:0:1::1"))
	for _, none := range []string{"", "unknown", "198.51.100.1:80", "_hidden", "'; DROP TABLE"} {
		_, ok := Address(none)
		require.False(t, ok, none)
	}
}
