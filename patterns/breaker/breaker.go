// Package breaker is a circuit breaker: it stops calls to a service that keeps failing,
// so that callers get a quick error instead of a slow timeout, and the service can
// recover without their load.
//
//	           too many failures
//	CLOSED ------------------------> OPEN
//	  ^                              |  ^
//	  | enough probes succeed        |  | a probe fails, or all of them hang
//	  |                              v  |
//	  +------------------------- HALF_OPEN
//	                               after the recovery time, few probes at a time
//
// A call takes a Permit before it starts and returns it with an Outcome:
//
//	permit, err := b.Allow()
//	if err != nil {
//		return err // *OpenError, with the time to wait before the next call
//	}
//	outcome := breaker.Ignored // stays if the call panics
//	defer func() { b.Done(permit, outcome) }()
//
// A permit belongs to the state in which it was issued. The outcome of a call that began
// before the breaker changed its state does not count in the new state.
package breaker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"troupe/patterns/internal/rolling"
)

// State is the state of a breaker.
type State uint8

// The states.
const (
	Closed   State = iota // calls pass and are counted
	Open                  // calls are rejected until the recovery time is over
	HalfOpen              // a few probes pass and decide
)

// String returns the name of the state as dashboards show it.
func (s State) String() string {
	switch s {
	case Closed:
		return "CLOSED"
	case Open:
		return "OPEN"
	case HalfOpen:
		return "HALF_OPEN"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Outcome is what the result of a call means for the health of the called service.
type Outcome uint8

// The outcomes.
const (
	// Ignored does not count, for example because the caller disconnected. A probe that
	// is ignored makes room for another one.
	Ignored Outcome = iota
	Success
	Failure
	// Slow is a call that succeeded but took too long. It counts as a success for the
	// failure rate, and slow calls have a rate of their own.
	Slow
)

// OpenError is the error of a call that the breaker rejects.
type OpenError struct {
	State      State
	Forced     bool          // not because the service fails
	RetryAfter time.Duration // how long to wait before the next call; always positive
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("circuit is %v, retry in %v", e.State, e.RetryAfter)
}

// Permit is the permission to make one call. Done ignores the zero Permit.
type Permit struct{ word uint64 }

// Change is a change of state, or of whether the state is forced. OnChange is called
// outside the lock, so two changes may be reported out of order; Generation grows with
// each change.
type Change struct {
	From, To   State
	Forced     bool // from now on
	Generation uint64
	At         time.Time
	Reason     string // for people: "10 failures in a row"
}

// Snapshot is the state of a breaker at one moment, for metrics and operators.
type Snapshot struct {
	State      State // remains Open until the next call, even if the recovery time is over
	Forced     bool
	Generation uint64
	Since      time.Time // of the last change; the zero time if there was none
	Calls      int       // in the window
	Failures   int       // in the window
	Slow       int       // in the window
	Streak     int       // failures since the last success
	Probes     int       // in flight
	Refused    uint64    // calls rejected since the start
}

// Breaker guards the calls to one service. It is safe for concurrent use.
type Breaker struct {
	config Config
	start  time.Time
	// word is generation<<2 | state: everything that Allow needs while the breaker is
	// closed, and everything that Done needs from a permit.
	word    atomic.Uint64
	refused atomic.Uint64

	mu        sync.Mutex
	window    window
	streak    int
	forced    bool
	openings  int           // in a row, without closing in between
	reopens   time.Duration // since start: when OPEN ends
	probes    int
	successes int           // of probes
	admitted  time.Duration // since start: when the last probe was admitted
	history   history
}

// New returns a closed breaker.
func New(c Config) *Breaker {
	c = c.withDefaults()
	b := &Breaker{config: c, start: c.Now(), window: window{rolling.Of[counts](c.Window)}}
	b.word.Store(1<<2 | uint64(Closed))
	return b
}

// Allow returns a permit, which must be passed to Done exactly once, or an *OpenError.
// While the breaker is closed, Allow takes no lock and reads no clock.
func (b *Breaker) Allow() (Permit, error) {
	if word := b.word.Load(); stateOf(word) == Closed {
		return Permit{word}, nil
	}
	b.mu.Lock()
	permit, changes, refusal := b.admit()
	b.mu.Unlock()
	b.notify(changes)
	if refusal != nil {
		b.refused.Add(1)
		return Permit{}, refusal
	}
	return permit, nil
}

// Done returns a permit with the outcome of its call.
func (b *Breaker) Done(p Permit, o Outcome) {
	if p.word != b.word.Load() || (o == Ignored && stateOf(p.word) == Closed) {
		return
	}
	now := b.now()
	b.mu.Lock()
	var changes []Change
	if p.word == b.word.Load() {
		changes = b.record(stateOf(p.word), o, now)
	}
	b.mu.Unlock()
	b.notify(changes)
}

// Force keeps the breaker in s, Open or Closed, regardless of outcomes, until Release. The
// reason is for the history.
func (b *Breaker) Force(s State, reason string) { b.override(s, true, reason) }

// Release ends Force: the breaker is closed, and its counters are reset. It does nothing to
// a breaker that is not forced.
func (b *Breaker) Release(reason string) { b.override(Closed, false, reason) }

func (b *Breaker) override(s State, forced bool, reason string) {
	b.mu.Lock()
	var changes []Change
	if forced || b.forced {
		changes = b.enter(s, forced, reason)
	}
	b.mu.Unlock()
	b.notify(changes)
}

// Snapshot returns the current state and counters.
func (b *Breaker) Snapshot() Snapshot {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := b.window.sum(now)
	word := b.word.Load()
	return Snapshot{
		State: stateOf(word), Forced: b.forced, Generation: word >> 2, Since: b.history.last().At,
		Calls: sum.calls, Failures: sum.failures, Slow: sum.slow,
		Streak: b.streak, Probes: b.probes, Refused: b.refused.Load(),
	}
}

func stateOf(word uint64) State { return State(word & 3) }

func (b *Breaker) now() time.Duration { return b.config.Now().Sub(b.start) }

func (b *Breaker) notify(changes []Change) {
	if b.config.OnChange == nil {
		return
	}
	for _, c := range changes {
		b.config.OnChange(c)
	}
}
