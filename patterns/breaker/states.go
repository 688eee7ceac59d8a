package breaker

import (
	"fmt"
	"time"

	"troupe/patterns/retry"
)

// Every function in this file requires that the caller holds the lock.

// admit decides about a call while the breaker is not closed.
func (b *Breaker) admit() (Permit, []Change, error) {
	now := b.now()
	var changes []Change
	if b.state() == Open && !b.forced && now >= b.reopens {
		changes = b.enter(HalfOpen, false, "the recovery time is over")
	}
	if b.state() == HalfOpen && b.probesHung(now) {
		changes = append(changes, b.enter(Open, false, "no probe ended in time")...)
	}
	switch b.state() {
	case Open:
		return Permit{}, changes, b.refusal(b.reopens - now)
	case HalfOpen:
		if b.probes >= b.config.Probes {
			return Permit{}, changes, b.refusal(b.admitted + b.config.ProbeTimeout - now)
		}
		b.probes++
		b.admitted = now
	}
	return Permit{b.word.Load()}, changes, nil
}

// refusal returns the error of a rejected call. It is unknown how long a forced state
// lasts, so the error then names the configured recovery time.
func (b *Breaker) refusal(wait time.Duration) error {
	if b.forced {
		wait = b.config.Recovery
	}
	return &OpenError{State: b.state(), Forced: b.forced, RetryAfter: max(wait, time.Millisecond)}
}

// probesHung reports whether all probes are in flight and none has ended within
// ProbeTimeout, which counts as a failure. Without this check, probes that never end
// would block all calls forever.
func (b *Breaker) probesHung(now time.Duration) bool {
	return b.probes >= b.config.Probes && now-b.admitted >= b.config.ProbeTimeout
}

// record counts the outcome of a call that began in the current state.
func (b *Breaker) record(s State, o Outcome, now time.Duration) []Change {
	if s == HalfOpen {
		return b.recordProbe(o)
	}
	b.window.add(o, now)
	switch o {
	case Success:
		b.streak = 0
		return nil
	case Failure:
		b.streak++
	case Slow:
		b.streak = 0
	}
	if b.forced {
		return nil
	}
	if reason := b.reasonToOpen(now); reason != "" {
		return b.enter(Open, false, reason)
	}
	return nil
}

// reasonToOpen returns why the breaker has to open, "" if it has not. It is called only
// after failures and slow calls: a success never opens the breaker.
func (b *Breaker) reasonToOpen(now time.Duration) string {
	if b.config.Streak > 0 && b.streak >= b.config.Streak {
		return fmt.Sprintf("%d failures in a row", b.streak)
	}
	sum := b.window.sum(now)
	calls := float64(sum.calls)
	switch {
	case sum.calls < b.config.MinCalls:
		return ""
	case float64(sum.failures) >= b.config.FailureRate*calls:
		return fmt.Sprintf("%d of %d calls failed", sum.failures, sum.calls)
	case float64(sum.slow) >= b.config.SlowRate*calls:
		return fmt.Sprintf("%d of %d calls were slow", sum.slow, sum.calls)
	}
	return ""
}

func (b *Breaker) recordProbe(o Outcome) []Change {
	b.probes--
	if o == Slow {
		o = Success
		if b.config.SlowRate <= 1 {
			o = Failure
		}
	}
	switch o {
	case Failure:
		return b.enter(Open, false, "a probe failed")
	case Success:
		b.successes++
	}
	if b.successes >= b.config.Successes {
		return b.enter(Closed, false, fmt.Sprintf("%d probes succeeded", b.successes))
	}
	return nil
}

// enter changes the state and resets the counters of the previous one.
func (b *Breaker) enter(s State, forced bool, reason string) []Change {
	from, wasForced, now := b.state(), b.forced, b.config.Now()
	b.forced = forced
	b.window.Clear()
	b.streak, b.probes, b.successes = 0, 0, 0
	switch s {
	case Open:
		b.openings++
		b.reopens = now.Sub(b.start) + b.recovery()
	case Closed:
		b.openings = 0
	}
	generation := b.word.Load()>>2 + 1
	b.word.Store(generation<<2 | uint64(s))
	if from == s && wasForced == forced {
		return nil
	}
	change := Change{From: from, To: s, Forced: forced, Generation: generation, At: now, Reason: reason}
	b.history.add(change)
	return []Change{change}
}

func (b *Breaker) state() State { return stateOf(b.word.Load()) }

// recovery returns how long this opening lasts. The jitter only lengthens it.
func (b *Breaker) recovery() time.Duration {
	wait := retry.Backoff{Base: b.config.Recovery, Cap: b.config.RecoveryMax}.Wait(b.openings, 0)
	return time.Duration(float64(wait) * (1 + b.config.Jitter*b.config.Rand()))
}
