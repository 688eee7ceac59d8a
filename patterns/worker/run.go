package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

const (
	defaultEvery = time.Second
	firstBackoff = 100 * time.Millisecond // wait after the first of several errors
	maxBackoff   = 10 * time.Second
	idleSteps    = 16              // an idle wait starts at Every/idleSteps and doubles
	grace        = 5 * time.Second // what a running step gets after the end
	logInterval  = time.Second     // errors are logged no more often than this
)

// Run repeats the step until ctx ends. It steps again at once as long as there
// is more to do, then waits for Wake, or a time that grows to Every. An
// error or a panic is logged and followed by a wait that doubles up to 10 s,
// which Wake does not shorten; a step that failed at one thing and did another
// goes on at once. A step that runs when ctx ends has 5 s to finish.
func (w Worker) Run(ctx context.Context, log *slog.Logger) {
	if w.Interval <= 0 {
		w.Interval = defaultEvery
	}
	r := runner{Worker: w, log: log.With("worker", w.Name)}
	for ctx.Err() == nil {
		did, err := r.step(ctx)
		wake, wait := r.plan(did, err)
		if wait > 0 && !sleep(ctx, wake, wait) {
			r.idle = 0
			sleep(ctx, nil, w.Linger)
		}
	}
}

// runner is what Run remembers from step to step.
type runner struct {
	Worker
	log      *slog.Logger
	failures int           // errors in a row
	logged   time.Time     // when the last error was logged
	told     bool          // an error was logged, and no recovery since
	idle     time.Duration // the last wait for something to do
}

// step runs the step with a context that outlives ctx by the grace.
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

// Grace gives a context that ends 5 s after ctx, for work that should be
// finished rather than broken off.
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

// plan says how long to wait after a step, and what may end the wait early.
func (r *runner) plan(did int, err error) (wake <-chan struct{}, wait time.Duration) {
	switch {
	case err != nil:
		r.failures++
		r.complain(err)
		if did > 0 {
			return nil, 0
		}
		return nil, backoff(r.failures)
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

func (r *runner) complain(err error) {
	if now := time.Now(); now.Sub(r.logged) >= logInterval {
		r.logged, r.told = now, true
		r.log.Error("worker step failed", "error", err, "failures", r.failures)
	}
}

func (r *runner) recovered() {
	if r.told {
		r.log.Info("worker works again", "failures", r.failures)
	}
	r.failures, r.told = 0, false
}

// backoff doubles with every failure in a row; half of it is chance, so that
// replicas that failed together do not come back together.
func backoff(failures int) time.Duration {
	d := firstBackoff << min(failures-1, 16)
	d = min(d, maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// sleep waits and says whether it slept the whole time.
func sleep(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
	case <-ctx.Done():
	}
	return false
}
