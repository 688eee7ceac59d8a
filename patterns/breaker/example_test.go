package breaker_test

import (
	"errors"
	"fmt"
	"time"

	"troupe/patterns/breaker"
)

// After a streak of failures the breaker rejects calls at once. After the recovery time
// it admits a few probes, and closes when they succeed.
func Example() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	b := breaker.New(breaker.Config{
		Streak: 3, Recovery: 10 * time.Second, Jitter: -1, Successes: 1,
		Now:      func() time.Time { return now },
		OnChange: func(c breaker.Change) { fmt.Println(c.From, "->", c.To) },
	})
	callThrough := func(call func() error) error {
		permit, err := b.Allow()
		if err != nil {
			return err // *breaker.OpenError, with the time to wait before the next call
		}
		outcome := breaker.Ignored // stays if the call panics
		defer func() { b.Done(permit, outcome) }()
		if err := call(); err != nil {
			outcome = breaker.Failure
			return err
		}
		outcome = breaker.Success
		return nil
	}
	down := func() error { return errors.New("connection refused") }
	up := func() error { return nil }

	for range 4 {
		fmt.Println(callThrough(down))
	}
	now = now.Add(10 * time.Second)
	fmt.Println(callThrough(up))
	// Output:
	// connection refused
	// connection refused
	// CLOSED -> OPEN
	// connection refused
	// circuit is OPEN, retry in 10s
	// OPEN -> HALF_OPEN
	// HALF_OPEN -> CLOSED
	// <nil>
}

// An operator can keep a breaker open, for example while a service is repaired.
func ExampleBreaker_Force() {
	b := breaker.New(breaker.Config{})
	b.Force(breaker.Open, "maintenance")
	_, err := b.Allow()
	fmt.Println(err)
	b.Release("maintenance is over")
	_, err = b.Allow()
	fmt.Println(err)
	// Output:
	// circuit is OPEN, retry in 10s
	// <nil>
}

// A snapshot shows the counters of the window, for metrics and operators.
func ExampleBreaker_Snapshot() {
	b := breaker.New(breaker.Config{})
	for _, outcome := range []breaker.Outcome{breaker.Success, breaker.Failure, breaker.Slow} {
		permit, _ := b.Allow()
		b.Done(permit, outcome)
	}
	s := b.Snapshot()
	fmt.Println(s.State, s.Calls, "calls,", s.Failures, "failure,", s.Slow, "slow")
	// Output: CLOSED 3 calls, 1 failure, 1 slow
}
