// Package retry tries again without making things worse: waits grow and are
// spread at random, the number of tries is small, and a Budget keeps retries a
// fraction of all traffic, so that a sick service is not buried by its callers.
//
// Only what may be done twice is worth a retry; that is the caller's to know, who
// wraps any other error with Permanent. Retry at one layer of a system only.
package retry

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how often and how patiently to try. A zero field means its default.
type Policy struct {
	Attempts int           // tries in all, the first included, 3
	Base     time.Duration // the first wait is at most this, 25 ms; each later one twice as long
	Cap      time.Duration // no wait is longer, 250 ms
	Budget   *Budget       // nil means no limit

	Sleep func(context.Context, time.Duration) error // Sleep
	Rand  func() float64                             // in [0, 1); rand.Float64
}

// Backoff is an exponential wait between tries: Base, doubled after each failure,
// at most Cap. Jitter is the share of the wait that is left to chance, from 0 (none)
// to 1 (all of it, "full jitter"), so that those that failed together do not come
// back together.
type Backoff struct {
	Base, Cap time.Duration
	Jitter    float64
}

// Wait returns how long to wait after so many failures, counted from 1. random is a
// number in [0, 1); with Jitter 0 it is not used.
func (b Backoff) Wait(failures int, random float64) time.Duration {
	wait := b.Base
	for range failures - 1 {
		if wait >= b.Cap {
			break
		}
		wait *= 2
	}
	wait = min(wait, b.Cap)
	return wait - time.Duration(b.Jitter*(1-random)*float64(wait))
}

// Wait is how long to wait before the retry-th retry, counted from 1: anything
// between nothing and the exponential limit ("full jitter"), so that callers
// that failed together do not come back together.
func (p Policy) Wait(retry int) time.Duration {
	limit, longest := cmp.Or(p.Base, 25*time.Millisecond), cmp.Or(p.Cap, 250*time.Millisecond)
	for range retry - 1 {
		if limit >= longest {
			break
		}
		limit *= 2
	}
	random := p.Rand
	if random == nil {
		random = rand.Float64
	}
	return time.Duration(random() * float64(min(limit, longest)))
}

// Again says whether a retry may follow after so many tries, and takes it from the
// budget. It counts from the decision: a retry that still waits is a retry.
func (p Policy) Again(tries int) bool {
	if tries >= cmp.Or(p.Attempts, 3) {
		return false
	}
	return p.Budget == nil || p.Budget.Take()
}

// Pause waits before the retry-th retry. It fails with the context's error if the
// context ends first, and at once if it would end before the wait does.
func (p Policy) Pause(ctx context.Context, retry int) error {
	sleep := p.Sleep
	if sleep == nil {
		sleep = Sleep
	}
	return sleep(ctx, p.Wait(retry))
}

// Do calls try until it succeeds, fails with a Permanent error, or may not be
// repeated. It returns the last error, without the mark of Permanent.
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

// Permanent marks an error that another try would only meet again.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// Sleep waits for d or for the end of the context, whichever comes first. A wait
// that would outlast the context's deadline is not begun.
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
