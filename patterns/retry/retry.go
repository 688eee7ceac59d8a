// Package retry repeats what failed without making things worse: waits grow and are
// spread at random, the number of tries is small, and a Budget keeps retries a
// fraction of all traffic, so that an overloaded service is not buried by its
// callers.
//
// Only an idempotent operation may be retried, one that does no harm if it is done
// twice. The package cannot know which error is worth another try: the caller wraps
// an error that must not be retried with Permanent. Retry at one layer of a system
// only, because the tries of nested layers multiply.
package retry

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy configures how often an operation is tried and how long to wait in
// between. A zero field means its default.
type Policy struct {
	Attempts int           // tries in all, the first included, 3
	Base     time.Duration // the first wait is at most this, 25 ms; each later one twice as long
	Cap      time.Duration // no wait is longer, 250 ms
	Budget   *Budget       // nil means no limit

	Sleep func(context.Context, time.Duration) error // Sleep
	Rand  func() float64                             // in [0, 1); rand.Float64
}

// Wait returns how long to wait before this retry, counted from 1: a random time
// between zero and the exponential limit ("full jitter").
func (p Policy) Wait(retry int) time.Duration {
	random := p.Rand
	if random == nil {
		random = rand.Float64
	}
	b := Backoff{Base: cmp.Or(p.Base, 25*time.Millisecond), Cap: cmp.Or(p.Cap, 250*time.Millisecond), Jitter: 1}
	return b.Wait(retry, random())
}

// Again reports whether a retry may follow after this many tries, and takes it from
// the budget. A retry counts from this decision on, even while it still waits.
func (p Policy) Again(tries int) bool {
	if tries >= cmp.Or(p.Attempts, 3) {
		return false
	}
	return p.Budget == nil || p.Budget.Take()
}

// Pause waits before this retry, counted from 1. It returns the context's error if
// the context ends first, and returns at once if the context's deadline comes
// before the end of the wait.
func (p Policy) Pause(ctx context.Context, retry int) error {
	sleep := p.Sleep
	if sleep == nil {
		sleep = Sleep
	}
	return sleep(ctx, p.Wait(retry))
}

// Do calls try until it succeeds, fails with a Permanent error, or may not be
// retried. It returns the last error; a Permanent one is returned as it was before
// it was marked.
func (p Policy) Do(ctx context.Context, try func(context.Context) error) error {
	if p.Budget != nil {
		p.Budget.Count()
	}
	for tries := 1; ; tries++ {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if final, ok := errors.AsType[permanent](err); ok {
			return final.error
		}
		if ctx.Err() != nil || !p.Again(tries) || p.Pause(ctx, tries) != nil {
			return err
		}
	}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that another try would only meet again. It returns nil
// for nil. The marked error unwraps to the original one.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err is marked with Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanent](err)
	return ok
}

// Sleep waits for d or until the context ends, whichever comes first, and then
// returns the context's error. If the context's deadline is sooner than d, it
// returns context.DeadlineExceeded without waiting.
func Sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
