package retry

import "time"

// Backoff is an exponential wait between tries: Base after the first failure,
// doubled after each further one, at most Cap. Jitter is the share of the wait that
// is left to chance, from 0 (none) to 1 (all of it, "full jitter"), so that clients
// that failed together do not come back together.
type Backoff struct {
	Base, Cap time.Duration
	Jitter    float64
}

// Wait returns how long to wait after this many failures in a row, counted from 1.
// random is a number in [0, 1); with Jitter 0 it is not used. The result is never
// negative and never above Cap, however many failures there were.
func (b Backoff) Wait(failures int, random float64) time.Duration {
	wait := b.Cap
	if doublings := max(failures-1, 0); b.Base <= b.Cap>>doublings { // compared this way round, nothing overflows
		wait = b.Base << doublings
	}
	return max(wait-time.Duration(b.Jitter*(1-random)*float64(wait)), 0)
}
