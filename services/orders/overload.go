package orders

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"troupe/patterns/admission"
	"troupe/patterns/deadline"
	"troupe/patterns/idempotency"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/services/orders/internal/store"
)

// placeOperation is the operation by which the idempotency keys of new orders are stored.
const placeOperation = "POST /orders"

// backlog is what the service knows of its unfinished orders, which are not decided or
// not paid: whether there can be more of them, and whether the system itself is the
// reason that they wait.
type backlog struct {
	*admission.Controller
	config  admission.Config
	clock   *deadline.Clock
	bounds  store.Bounds // of the last measurement
	seen    atomic.Pointer[unfinished]
	asleep  time.Duration // how much of the time without the service the log has
	lookups chan struct{} // holds a value for each lookup of an idempotency key that is running

	mu          sync.Mutex
	confirmed   time.Time     // when an order was last confirmed
	confirmWait time.Duration // how long it had waited
}

// unfinished is what was measured last.
type unfinished struct {
	orders, stuck int
	oldest        time.Duration
}

const (
	shareOfDeadline = 4 // a new order may wait for at most this part of its timeout
	maxLookups      = 4
	maxLookupWait   = 30 * time.Millisecond
)

func newBacklog(s settings, now func() time.Time) *backlog {
	c := admission.Config{
		Wait: min(s.AdmissionWait, s.Deadline/shareOfDeadline), Longest: s.Deadline / 2,
		First: s.AdmissionFirst, Least: min(500, (s.AdmissionFirst+1)/2), Now: now,
	}
	b := &backlog{
		Controller: admission.New(c), config: c, clock: deadline.NewClock(s.Deadline, longestGap(s.Deadline), now()),
		lookups: make(chan struct{}, maxLookups),
	}
	b.seen.Store(&unfinished{})
	return b
}

// longestGap returns the longest time between two measurements of the backlog in which the
// service certainly ran, for orders with that timeout. It measures every quarter of a second.
func longestGap(timeout time.Duration) time.Duration { return max(time.Second, timeout/60) }

// wasConfirmed records that an order was confirmed now, after it had waited.
func (b *backlog) wasConfirmed(now time.Time, waited time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confirmed, b.confirmWait = now, waited
}

// confirmsLate reports whether orders are being confirmed, but only after they have
// waited for a large part of their timeout: others wait for their turn.
func (b *backlog) confirmsLate(now time.Time, timeout time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.confirmWait > timeout/3 && now.Sub(b.confirmed) < timeout/6
}

// admit refuses a new order if there are more unfinished orders than can be finished in
// time. It is called before the body is read. A repeated request is never refused if the
// first one was answered.
func (s *service) admit(r *http.Request) error {
	if s.backlog.Admit() || s.isAnswered(r) {
		return nil
	}
	s.metrics.refused.Inc()
	f := fault.New(fault.Unavailable, "orders_overloaded",
		"there are more orders than can be carried at the moment, and nothing was ordered; try again after the seconds in Retry-After")
	wait := max(s.backlog.State().RetryAfter, time.Second)
	f.RetryAfter = wait + time.Duration(rand.Int64N(int64(3*wait))) // so that they do not all come back at once
	return f
}

// isAnswered reports whether the request repeats one that was answered. Only a few
// lookups run at a time, and those that come when the database is too busy report false:
// their clients repeat the request later.
func (s *service) isAnswered(r *http.Request) bool {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxLookupWait)
	defer cancel()
	select {
	case s.backlog.lookups <- struct{}{}:
		defer func() { <-s.backlog.lookups }()
	case <-ctx.Done():
		return false
	}
	request := idempotency.Request{Caller: auth.CallerOf(ctx).UserID, Operation: placeOperation, Key: key}
	answered, err := idempotency.Answered(ctx, s.DB, request)
	return answered && err == nil
}

// measureBacklog is a step of the backlog worker: it measures the backlog, and stops the
// clock of the deadlines while the system itself is the reason that orders wait. Orders
// that cannot be counted cannot be decided either.
func (s *service) measureBacklog(ctx context.Context) (int, error) {
	b := s.backlog
	err := s.tryMeasureBacklog(ctx)
	if err != nil {
		b.clock.Run(s.Now(), false)
	}
	if missing := b.clock.Asleep() - b.asleep; missing > time.Second {
		b.asleep += missing
		s.Log.WarnContext(ctx, "the service did not run for a while; that time does not count for the deadlines of orders", "missing", missing.String())
	}
	return 0, err
}

func (s *service) tryMeasureBacklog(ctx context.Context) error {
	delay, err := s.Outbox.Delay(ctx)
	if err != nil {
		return err
	}
	b := s.backlog
	now := s.Now()
	bounds := store.Bounds{
		Old: now.Add(s.Deadline - b.config.Lag()), StillOld: b.bounds.Old, Stuck: now.Add(s.Deadline - b.Patience()),
	}
	n, err := store.CountUnfinished(ctx, s.DB, bounds)
	if err != nil {
		return err
	}
	b.bounds = bounds
	u := unfinished{orders: n.All, stuck: n.Stuck}
	if !n.Deadline.IsZero() {
		u.oldest = max(0, now.Sub(n.Deadline.Add(-s.Deadline)))
	}
	b.seen.Store(&u)
	changed := b.Measure(admission.Backlog{Size: n.All, Old: n.Old, StillOld: n.StillOld, Stuck: n.Stuck})
	state := b.State()
	late := delay > min(5*time.Second, s.Deadline/10) // events are not published
	b.clock.Run(now, !late && !b.confirmsLate(now, s.Deadline))
	if changed {
		s.logOverload(state)
	}
	return nil
}

func (s *service) logOverload(state admission.State) {
	log := s.Log.With("unfinished", state.Size, "limit", state.Limit, "per_second", int(state.Rate), "wait", state.Wait)
	if state.Overloaded {
		log.Warn("overload: more orders arrive than can be carried; the rest is refused with 503")
		return
	}
	log.Info("the overload has ended; no order is refused")
}
