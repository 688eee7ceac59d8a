package throttle

import (
	"context"
	"sync"
	"time"

	"troupe/platform/fault"
)

// maxWaiting is how many attempts with the same key may wait for their turn. With more,
// callers would give up before it.
const maxWaiting = 64

// settlePoll is how often a waiting attempt looks whether another replica has settled one.
const settlePoll = 25 * time.Millisecond

// Turns lets attempts with the same key, at this replica, be reserved one after the
// other, and wakes the one whose turn it is when another has been settled. The zero value
// is ready to use.
type Turns struct {
	mu    sync.Mutex
	lines map[Key]*line
}

type line struct {
	waiting int
	turn    chan struct{} // holds an element while an attempt has its turn
	settled chan struct{}
}

// Take waits for the turn of an attempt and returns a function that ends the turn. It
// returns fault.Unavailable if too many attempts wait, or if ctx ends.
func (t *Turns) Take(ctx context.Context, key Key) (end func(), err error) {
	l, err := t.join(key)
	if err != nil {
		return nil, err
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; t.leave(key, l) }, nil
	case <-ctx.Done():
		t.leave(key, l)
		return nil, errBusy.WithCause(ctx.Err())
	}
}

func (t *Turns) join(key Key) (*line, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[key]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1), settled: make(chan struct{}, 1)}
		if t.lines == nil {
			t.lines = map[Key]*line{}
		}
		t.lines[key] = l
	}
	if l.waiting >= maxWaiting {
		return nil, errBusy
	}
	l.waiting++
	return l, nil
}

func (t *Turns) leave(key Key, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		delete(t.lines, key)
	}
}

// AwaitSettled returns when an attempt with the key has been settled, or when it is time
// to look whether another replica has settled one. The caller must have the turn. after
// calls a function later. It returns fault.Unavailable if ctx ends.
func (t *Turns) AwaitSettled(ctx context.Context, key Key, after func(time.Duration, func())) error {
	t.mu.Lock()
	l := t.lines[key]
	t.mu.Unlock()
	poll := make(chan struct{})
	after(settlePoll, func() { close(poll) })
	select {
	case <-l.settled:
	case <-poll:
	case <-ctx.Done():
		return errBusy.WithCause(ctx.Err())
	}
	return nil
}

// Settled wakes the attempt whose turn it is: an attempt with the key has been settled.
func (t *Turns) Settled(key Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.lines[key]; l != nil {
		select {
		case l.settled <- struct{}{}:
		default:
		}
	}
}

var errBusy = &fault.Error{
	Kind: fault.Unavailable, Code: "sign_in_busy", RetryAfter: time.Second,
	Message: "too many attempts to sign in to this account at the moment; try again in a second",
}
