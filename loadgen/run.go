package loadgen

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"troupe/client"
)

// Offer is how much load a run offers.
type Offer struct {
	Rate   float64       // orders per second; 0: each client orders as soon as its last order was answered
	Orders int           // how many are offered at most; 0: any number
	For    time.Duration // how long orders are offered; 0: until there were so many
	// Progress is called every second. It may be nil.
	Progress func(elapsed time.Duration, answered int)
}

// Report is how the orders of a run were answered.
type Report struct {
	Offered  int           `json:"offered"`
	Accepted int           `json:"accepted"`
	Refused  int           `json:"refused"` // 503 and 429
	Failed   int           `json:"failed"`
	Failure  string        `json:"failure,omitempty"` // the first answer that did not accept an order
	Took     time.Duration `json:"-"`                 // until the last answer
	Latency  Latency       `json:"latency"`           // of accepted orders, from when each was due
}

// Run offers orders and returns how they were answered.
func (s *Shop) Run(ctx context.Context, o Offer) Report {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	r := &run{shop: s, offer: o, began: time.Now(), latency: newHistogram()}
	background.Go(func() { s.renewTokens(ctx) })
	background.Go(func() { r.showProgress(ctx) })
	var clients sync.WaitGroup
	for range s.Clients {
		clients.Go(func() { r.client(ctx) })
	}
	clients.Wait()
	r.report.Took = time.Since(r.began)
	r.report.Latency = latencyOf(r.latency)
	return r.report
}

type run struct {
	shop     *Shop
	offer    Offer
	began    time.Time
	next     atomic.Int64
	answered atomic.Int64

	mu      sync.Mutex
	report  Report
	latency *hdrhistogram.Histogram
}

// client places orders, one at a time, each when it is due or as soon after as it can.
func (r *run) client(ctx context.Context) {
	for {
		i := r.next.Add(1) - 1
		due, ok := r.dueAt(ctx, i)
		if !ok {
			return
		}
		customer := r.shop.customers[int(i)%len(r.shop.customers)]
		err := customer.order(ctx, r.shop)
		r.answered.Add(1)
		r.record(time.Since(due), err)
	}
}

// dueAt waits until the i-th order is due and returns when that was. ok is false if the
// run has ended by then.
func (r *run) dueAt(ctx context.Context, i int64) (due time.Time, ok bool) {
	if r.offer.Orders > 0 && i >= int64(r.offer.Orders) || ctx.Err() != nil {
		return due, false
	}
	due = time.Now()
	if r.offer.Rate > 0 {
		due = r.began.Add(time.Duration(float64(i) / r.offer.Rate * float64(time.Second)))
	}
	if r.offer.For > 0 && due.Sub(r.began) >= r.offer.For {
		return due, false
	}
	if wait := time.Until(due); wait > 0 {
		return due, sleep(ctx, wait)
	}
	return due, true
}

func (r *run) record(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Offered++
	problem, answered := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		r.report.Accepted++
		record(r.latency, took)
	case answered && (problem.Status == http.StatusServiceUnavailable || problem.Status == http.StatusTooManyRequests):
		r.report.Refused++
		r.note(err)
	default:
		r.report.Failed++
		r.note(err)
	}
}

// note keeps the first error. The caller must hold mu.
func (r *run) note(err error) {
	if r.report.Failure == "" {
		r.report.Failure = err.Error()
	}
}

// showProgress calls Progress every second until ctx ends.
func (r *run) showProgress(ctx context.Context) {
	for r.offer.Progress != nil && sleep(ctx, time.Second) {
		r.offer.Progress(time.Since(r.began), int(r.answered.Load()))
	}
}
