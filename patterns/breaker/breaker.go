// Package breaker is a circuit breaker: it stops calling what keeps failing, so
// that callers get a quick answer instead of a slow time-out and the sick side
// gets air to recover.
//
//	           too many failures
//	CLOSED ------------------------> OPEN
//	  ^                              |  ^
//	  | enough probes succeed        |  | a probe fails, or all of them hang
//	  |                              v  |
//	  +------------------------- HALF_OPEN
//	                               after the recovery time-out, few probes at a time
//
// A call takes a Permit before it starts and hands it back with an Outcome:
//
//	permit, err := b.Allow()
//	if err != nil {
//		return err // *OpenError: says when to come back
//	}
//	outcome := breaker.Ignored // what a panic leaves behind
//	defer func() { b.Done(permit, outcome) }()
//
// A permit belongs to the state it was given in. The result of a call that began
// before the breaker changed state says nothing about the new state and is dropped.
package breaker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"troupe/patterns/internal/rolling"
)

// State of a breaker.
type State uint8

// The states.
const (
	Closed   State = iota // calls pass and are counted
	Open                  // calls are refused until the recovery time-out is over
	HalfOpen              // a few probes pass and decide
)

// String gives the name by which dashboards know the state.
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

// Outcome is what a call says about the health of the side it called.
type Outcome uint8

// The outcomes.
const (
	// Ignored says nothing, for example because the caller hung up. A probe that
	// is ignored makes room for another one.
	Ignored Outcome = iota
	Success
	Failure
	// Slow worked, but took longer than it should. It is a success to the failure
	// rate and has a limit of its own.
	Slow
)

// OpenError is the refusal of a call.
type OpenError struct {
	State      State
	RetryAfter time.Duration // when it is worth coming back; always positive
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("circuit is %v, retry in %v", e.State, e.RetryAfter)
}

// Permit is the leave to make one call. The zero Permit is worth nothing.
type Permit struct{ word uint64 }

// Change is a change of state. Changes are told outside the lock, so two may be
// told out of order: Generation grows by one with each.
type Change struct {
	From, To   State
	Generation uint64
	At         time.Time
}

// Snapshot is a breaker at one moment, for metrics and operators.
type Snapshot struct {
	State      State // Open until a call asks, even if the recovery time-out is over
	Forced     bool
	Generation uint64
	Calls      int // in the window
	Failures   int // in the window
	Slow       int // in the window
	Streak     int // failures since the last success
	Probes     int // in flight
	Refused    uint64
}

// Breaker guards the calls to one thing. It is safe for concurrent use.
type Breaker struct {
	config Config
	start  time.Time
	// word is generation<<2 | state: all that Allow needs to know while closed,
	// and all that Done needs to know of a permit.
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
	admitted  time.Duration // since start: when the last probe was let in
}

// New makes a closed breaker.
func New(c Config) *Breaker {
	c = c.withDefaults()
	b := &Breaker{config: c, start: c.Now(), window: window{rolling.Of[counts](c.Window)}}
	b.word.Store(1<<2 | uint64(Closed))
	return b
}

// Allow gives a permit, which must be handed to Done exactly once, or an
// *OpenError. While closed it takes no lock and reads no clock.
func (b *Breaker) Allow() (Permit, error) {
	if word := b.word.Load(); stateOf(word) == Closed {
		return Permit{word}, nil
	}
	b.mu.Lock()
	permit, changes, refusal := b.admit()
	b.mu.Unlock()
	b.tell(changes)
	if refusal != nil {
		b.refused.Add(1)
		return Permit{}, refusal
	}
	return permit, nil
}

// Done hands back a permit with what became of the call.
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
	b.tell(changes)
}

// Force holds the breaker open or closed, whatever happens, until Release.
func (b *Breaker) Force(s State) {
	b.mu.Lock()
	b.forced = true
	changes := b.become(s)
	b.mu.Unlock()
	b.tell(changes)
}

// Release ends Force: the breaker is closed, with a clean slate.
func (b *Breaker) Release() {
	b.mu.Lock()
	b.forced = false
	changes := b.become(Closed)
	b.mu.Unlock()
	b.tell(changes)
}

// Snapshot says how things stand.
func (b *Breaker) Snapshot() Snapshot {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := b.window.sum(now)
	word := b.word.Load()
	return Snapshot{
		State: stateOf(word), Forced: b.forced, Generation: word >> 2,
		Calls: sum.calls, Failures: sum.failures, Slow: sum.slow,
		Streak: b.streak, Probes: b.probes, Refused: b.refused.Load(),
	}
}

func stateOf(word uint64) State { return State(word & 3) }

func (b *Breaker) now() time.Duration { return b.config.Now().Sub(b.start) }

func (b *Breaker) tell(changes []Change) {
	if b.config.OnChange == nil {
		return
	}
	for _, c := range changes {
		b.config.OnChange(c)
	}
}
