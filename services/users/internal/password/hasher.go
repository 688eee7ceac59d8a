package password

import (
	"context"
	"fmt"
	"slices"

	"troupe/platform/fault"
)

// Hasher computes a limited number of hashes at a time, because each takes a processor
// and, at Standard cost, 19 MiB. Sign-ins and registrations wait in queues of their own,
// which take turns. If a queue is full, a call fails at once. So a flood of either slows
// down the other by half at most, and nothing else.
type Hasher struct {
	cost     Cost
	slots    *slots
	decoy    hash
	computed func()
}

// NewHasher returns a Hasher that computes up to concurrent hashes at a time and calls
// computed after each.
func NewHasher(cost Cost, concurrent int, computed func()) *Hasher {
	return &Hasher{cost: cost, slots: newSlots(concurrent), decoy: decoy(cost), computed: computed}
}

// Hash returns the text to store for a password. It returns fault.Unavailable if the
// queue is full.
func (h *Hasher) Hash(ctx context.Context, q Queue, password string) (string, error) {
	if err := h.acquire(ctx, q); err != nil {
		return "", err
	}
	defer h.release()
	return newHash(Normalize(password), h.cost).String(), nil
}

// Match reports whether stored is a hash of password, in any Unicode form, and whether it
// was computed at another cost than the present one, or of another form than the
// normalized one, and should be replaced. If stored is "", for an
// unknown account, it does the same work and reports false. It waits in the queue of
// sign-ins, and returns fault.Unavailable if it is full.
func (h *Hasher) Match(ctx context.Context, password, stored string) (ok, outdated bool, err error) {
	against := h.decoy
	if stored != "" {
		if against, err = parseHash(stored); err != nil {
			return false, false, fmt.Errorf("read stored password hash: %w", err)
		}
	}
	if err := h.acquire(ctx, SignIns); err != nil {
		return false, false, err
	}
	defer h.release()
	form := slices.IndexFunc(spellings(password), against.matches)
	return form >= 0, against.cost != h.cost || form > 0, nil
}

func (h *Hasher) acquire(ctx context.Context, q Queue) error {
	err := h.slots.acquire(ctx, q)
	if err == nil {
		return nil
	}
	if q == Registrations {
		return errRegistrationsBusy.WithCause(err)
	}
	return errSignInBusy.WithCause(err)
}

func (h *Hasher) release() {
	h.slots.release()
	h.computed()
}

var (
	errSignInBusy = &fault.Error{
		Kind: fault.Unavailable, Code: "sign_in_busy", RetryAfter: retryAfter,
		Message: "too many people are signing in at the moment; try again in a second",
	}
	errRegistrationsBusy = &fault.Error{
		Kind: fault.Unavailable, Code: "registrations_busy", RetryAfter: retryAfter,
		Message: "too many people are registering at the moment; try again in a second",
	}
)
