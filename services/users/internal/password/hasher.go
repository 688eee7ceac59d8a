package password

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"troupe/platform/fault"
)

// queuePerSlot is how many calls may wait for each hash that is being computed: about a
// third of a second's work. With more, callers would give up before their turn.
const queuePerSlot = 16

// Hasher computes a limited number of hashes at a time, because each takes a processor
// and, at Standard cost, 19 MiB. If the queue is full, a call fails at once, so that a
// flood of sign-ins slows down sign-ins and nothing else.
type Hasher struct {
	cost     Cost
	slots    chan struct{}
	waiting  atomic.Int64
	decoy    hash
	computed func()
}

// NewHasher returns a Hasher that computes up to slots hashes at a time and calls
// computed after each.
func NewHasher(cost Cost, slots int, computed func()) *Hasher {
	return &Hasher{cost: cost, slots: make(chan struct{}, slots), decoy: decoy(cost), computed: computed}
}

// Hash returns the text to store for a password. It returns fault.Unavailable if the
// queue is full.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	return newHash(password, h.cost).String(), nil
}

// Match reports whether stored is a hash of password, and whether it was computed at
// another cost than the present one and should be replaced. If stored is "", for an
// unknown account, it does the same work and reports false. It returns
// fault.Unavailable if the queue is full.
func (h *Hasher) Match(ctx context.Context, password, stored string) (ok, outdated bool, err error) {
	against := h.decoy
	if stored != "" {
		if against, err = parseHash(stored); err != nil {
			return false, false, fmt.Errorf("read stored password hash: %w", err)
		}
	}
	if err := h.acquire(ctx); err != nil {
		return false, false, err
	}
	defer h.release()
	return against.matches(password), against.cost != h.cost, nil
}

func (h *Hasher) acquire(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > int64(cap(h.slots)*queuePerSlot) {
		return errBusy
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy.WithCause(ctx.Err())
	}
}

func (h *Hasher) release() {
	<-h.slots
	h.computed()
}

var errBusy = &fault.Error{
	Kind: fault.Unavailable, Code: "sign_in_busy", RetryAfter: time.Second,
	Message: "too many people are signing in at the moment; try again in a second",
}
