package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"troupe/patterns/retry"
)

const (
	defaultInterval = time.Second
	rests           = 4               // how many times as long as a step a background worker waits
	idleSteps       = 16              // an idle wait starts at Interval/idleSteps and doubles
	grace           = 5 * time.Second // how long a running step may continue after ctx ends
	logInterval     = time.Second     // errors are logged no more often than this
)

// backoff is the wait after several errors in a row. Half of it is random, so that
// replicas that failed together do not retry together.
var backoff = retry.Backoff{Base: 100 * time.Millisecond, Cap: 10 * time.Second, Jitter: 0.5}

// Run repeats the step until ctx ends. It steps again at once as long as there is
// more to do, unless it is a background worker. Then it waits for Wake, or for a time that grows to Interval. An
// error or a panic is logged and followed by a wait that doubles up to 10 s, which
// Wake does not shorten. A step that returns an error and a positive number, because
// it failed at one thing and did another, is followed by the next step at once. A
// step that is running when ctx ends has 5 s to finish.
func (w Worker) Run(ctx context.Context, log *slog.Logger) {
	if w.Interval <= 0 {
		w.Interval = defaultInterval
	}
	r := runner{Worker: w, log: log.With("worker", w.Name)}
	for ctx.Err() == nil {
		began := time.Now()
		did, err := r.step(ctx)
		wake, wait := r.plan(did, err)
		if r.Background && did > 0 {
			wait = max(wait, rests*time.Since(began))
		}
		if wait > 0 && woken(ctx, wake, wait) {
			r.idle = 0
			_ = retry.Sleep(ctx, w.Linger) // the loop checks ctx
		}
	}
}

// runner is the state that Run keeps from step to step.
type runner struct {
	Worker
	log      *slog.Logger
	failures int           // errors in a row
	logged   time.Time     // when the last error was logged
	failing  bool          // an error has been logged, and no recovery since
	idle     time.Duration // the last wait for something to do
}

// step calls Step with a context that outlives ctx by the grace period, and turns
// a panic into an error.
func (r *runner) step(ctx context.Context) (did int, err error) {
	ctx, cancel := Grace(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.Step(ctx)
}

// Grace returns a context that ends 5 s after ctx, for work that should be
// finished rather than aborted during a graceful shutdown.
func Grace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// plan returns how long to wait after a step, and the channel that may end the
// wait early.
func (r *runner) plan(did int, err error) (wake <-chan struct{}, wait time.Duration) {
	switch {
	case err != nil:
		r.failures++
		r.logError(err)
		if did > 0 {
			return nil, 0
		}
		return nil, backoff.Wait(r.failures, rand.Float64())
	case did > 0 && did >= r.BatchSize:
		r.recovered()
		r.idle = 0
		return nil, 0
	case did > 0:
		r.idle = 0
	}
	r.recovered()
	r.idle = min(max(2*r.idle, r.Interval/idleSteps), r.Interval)
	return r.Wake, r.idle
}

func (r *runner) logError(err error) {
	if now := time.Now(); now.Sub(r.logged) >= logInterval {
		r.logged, r.failing = now, true
		r.log.Error("worker step failed", "error", err, "failures", r.failures)
	}
}

// recovered resets the count of failures and logs the recovery if a failure was
// logged before.
func (r *runner) recovered() {
	if r.failing {
		r.log.Info("worker works again", "failures", r.failures)
	}
	r.failures, r.failing = 0, false
}

// woken waits for d and reports whether wake or the end of ctx came first.
func woken(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-wake:
	case <-ctx.Done():
	}
	return true
}
