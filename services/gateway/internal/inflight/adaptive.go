package inflight

import (
	"math"
	"sync"
	"time"
)

// The adaptive limit follows the gradient of the response time, as Envoy's adaptive
// concurrency filter and Netflix's concurrency-limits do. While requests take as long as
// they do without a queue, the limit grows; when they take longer, they wait for each
// other in the service, and it shrinks:
//
//	limit = limit * tolerance * time without a queue / time now + √limit
//
// The last term lets it grow again, and is the queue that the service may have.
const (
	tolerance  = 1.5 // times the time without a queue, at which a queue is assumed
	steepest   = 0.5 // the limit loses at most this share in one window
	mostSteep  = 3   // after so many such windows, the service itself is slower: there would be no queue any more
	shedFactor = 0.9 // what is left of the limit when the service sheds load

	firstLimit    = 20
	smallestLimit = 4

	windowSamples  = 50                     // responses that decide together
	shortestWindow = 100 * time.Millisecond // the time that they span: two response times, so that they show the effect of the limit
	longestWindow  = time.Second
	baselineMaxAge = time.Minute // after which the time without a queue is measured again
)

// phase is what the present window is for.
type phase uint8

const (
	adapting  phase = iota
	settling        // the limit was lowered to measure, and earlier requests are still running
	measuring       // the responses show the time without a queue
)

// adaptive changes a limit with the response times of the service.
type adaptive struct {
	most float64
	now  func() time.Time

	mu       sync.Mutex
	limit    float64
	baseline time.Duration // the mean response time without a queue
	measured time.Time     // when it was
	phase    phase
	steep    int // windows in a row in which the limit fell as far as it may

	// the present window
	began   time.Time
	samples int
	sum     time.Duration
	busiest int // the most requests in flight
	shed    bool
}

func newAdaptive(most int, now func() time.Time) *adaptive {
	return &adaptive{most: float64(most), now: now, limit: math.Min(firstLimit, float64(most)), phase: measuring, began: now()}
}

// observe records a response and how many requests were in flight. It returns the limit.
func (a *adaptive) observe(took time.Duration, used int) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples++
	a.sum += took
	a.busiest = max(a.busiest, used)
	if now := a.now(); a.samples >= windowSamples && now.Sub(a.began) >= a.windowTime() {
		a.endWindow(now)
	}
	return a.current()
}

func (a *adaptive) windowTime() time.Duration {
	return min(max(2*a.sum/time.Duration(a.samples), shortestWindow), longestWindow)
}

// shedLoad records that the service refused a request because it has too much to do. It
// returns the limit.
func (a *adaptive) shedLoad() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.shed {
		a.shed = true
		a.set(a.limit * shedFactor)
	}
	return a.current()
}

// current returns the limit of this phase: half of it while the time without a queue is
// measured.
func (a *adaptive) current() int64 {
	if a.phase != adapting {
		return int64(math.Max(a.limit/2, a.least()))
	}
	return int64(a.limit)
}

func (a *adaptive) least() float64 { return math.Min(smallestLimit, a.most) }

func (a *adaptive) set(limit float64) { a.limit = math.Min(math.Max(limit, a.least()), a.most) }

func (a *adaptive) endWindow(now time.Time) {
	mean := a.sum / time.Duration(a.samples)
	busy := a.busiest*2 >= int(a.limit)
	switch {
	case a.phase == settling:
		a.phase = measuring
	case a.phase == measuring:
		a.measure(mean, now)
	case now.Sub(a.measured) >= baselineMaxAge && busy:
		a.phase = settling
	case now.Sub(a.measured) >= baselineMaxAge: // so few requests have no queue
		a.measure(mean, now)
	case mean < a.baseline*4/5: // the service has become faster
		a.phase = settling
	case busy || mean > a.baseline:
		a.adapt(mean)
	}
	a.began, a.samples, a.sum, a.busiest, a.shed = now, 0, 0, 0, false
}

func (a *adaptive) measure(mean time.Duration, now time.Time) {
	a.phase, a.baseline, a.measured, a.steep = adapting, mean, now, 0
}

// adapt moves the limit. It does not grow while less than half of it is in use: then the
// response times say nothing about more requests.
func (a *adaptive) adapt(mean time.Duration) {
	a.baseline = min(a.baseline, mean)
	gradient := tolerance * float64(a.baseline) / math.Max(float64(mean), 1)
	if gradient > steepest {
		a.steep = 0
	} else if a.steep++; a.steep >= mostSteep {
		a.phase = settling
	}
	next := a.limit*math.Min(math.Max(gradient, steepest), 1) + math.Sqrt(a.limit)
	if next > a.limit && a.busiest*2 < int(a.limit) {
		return
	}
	if a.shed && next > a.limit {
		return // the service has refused work as too much
	}
	a.set(next)
}
