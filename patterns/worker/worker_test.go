package worker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/worker"
)

// trial runs a worker in a bubble and notes when it stepped.
type trial struct {
	start time.Time
	at    []time.Duration
	log   bytes.Buffer
	wake  worker.Notifier
	stop  context.CancelFunc
	done  chan struct{}
}

// run starts a worker that looks every second; step is told how often it was
// called before.
func run(t *testing.T, step func(n int) (int, error)) *trial {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &trial{start: time.Now(), wake: worker.NewNotifier(), stop: cancel, done: make(chan struct{})}
	w := worker.Worker{Name: "sweeper", Interval: time.Second, Wake: r.wake, Step: func(context.Context) (int, error) {
		r.at = append(r.at, time.Since(r.start))
		return step(len(r.at) - 1)
	}}
	go func() {
		defer close(r.done)
		w.Run(ctx, slog.New(slog.NewTextHandler(&r.log, nil)))
	}()
	return r
}

func (r *trial) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *trial) end() {
	r.stop()
	<-r.done
}

func TestWhileThereIsWorkStepsFollowAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(n int) (int, error) {
			if n < 5 {
				return 100, nil
			}
			return 0, nil
		})
		r.after(0)
		require.Equal(t, make([]time.Duration, 6), r.at)
		r.end()
	})
}

func TestIdleWaitsGrowToTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(int) (int, error) { return 0, nil })
		r.after(5 * time.Second)
		require.Equal(t, []time.Duration{
			0, 62500 * time.Microsecond, 187500 * time.Microsecond, 437500 * time.Microsecond,
			937500 * time.Microsecond, 1937500 * time.Microsecond, 2937500 * time.Microsecond, 3937500 * time.Microsecond,
			4937500 * time.Microsecond,
		}, r.at)
		r.end()
	})
}

func TestNotifyEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(int) (int, error) { return 0, nil })
		r.after(2 * time.Second)
		r.at = nil
		r.after(10 * time.Millisecond)
		r.wake.Notify()
		r.after(0)
		require.Equal(t, []time.Duration{2010 * time.Millisecond}, r.at)
		r.end()
	})
}

func TestNotifyDuringAStepCausesOneMoreStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(n int) (int, error) {
			if n == 0 {
				time.Sleep(time.Second)
			}
			return 0, nil
		})
		r.after(time.Millisecond)
		r.wake.Notify()
		r.wake.Notify()
		r.after(time.Second)
		require.Equal(t, []time.Duration{0, time.Second}, r.at)
		r.end()
	})
}

func TestAPartialBatchEndsTheRunAndNotifyLingers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		wake, began := worker.NewNotifier(), time.Now()
		var at []time.Duration
		w := worker.Worker{
			Name: "relay", Interval: time.Second, Wake: wake, BatchSize: 100, Linger: 2 * time.Millisecond,
			Step: func(context.Context) (int, error) {
				at = append(at, time.Since(began))
				return []int{100, 99, 5, 0}[min(len(at)-1, 3)], nil
			},
		}
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx, slog.New(slog.DiscardHandler)) })
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0}, at, "after a full step another, after one that is not full none")
		time.Sleep(10 * time.Millisecond)
		wake.Notify()
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0, 12 * time.Millisecond}, at)
		stop()
		running.Wait()
	})
}

func TestErrorsBackOffAndNotifyDoesNotShortenTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(n int) (int, error) {
			if n < 10 {
				return 0, errors.New("no database")
			}
			return 0, nil
		})
		for range 600 {
			r.wake.Notify()
			r.after(100 * time.Millisecond)
		}
		r.end()
		for n, most := range []float64{.1, .2, .4, .8, 1.6, 3.2, 6.4, 10, 10} {
			wait := (r.at[n+1] - r.at[n]).Seconds()
			require.LessOrEqual(t, wait, most)
			require.GreaterOrEqual(t, wait, most/2)
		}
		require.Contains(t, r.log.String(), `msg="worker step failed" worker=sweeper error="no database" failures=1`)
		require.Contains(t, r.log.String(), `msg="worker works again" worker=sweeper failures=10`)
	})
}

func TestAPartlyFailedStepContinuesAndIsLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(n int) (int, error) {
			time.Sleep(time.Millisecond)
			return 1, errors.New("one was refused")
		})
		r.after(3500 * time.Millisecond)
		r.end()
		require.Greater(t, len(r.at), 3000)
		require.Equal(t, 4, strings.Count(r.log.String(), "one was refused"))
	})
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(n int) (int, error) {
			if n == 0 {
				panic("oops")
			}
			return 0, nil
		})
		r.after(time.Second)
		r.end()
		require.Greater(t, len(r.at), 1)
		require.Contains(t, r.log.String(), "panic: oops")
		require.Contains(t, r.log.String(), "worker_test.go", "the stack says where")
	})
}

func TestARunningStepFinishesAfterShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcome error
		began := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w := worker.Worker{Name: "slow", Step: func(ctx context.Context) (int, error) {
			close(began)
			time.Sleep(3 * time.Second)
			outcome = ctx.Err()
			return 1, nil
		}}
		go func() { defer close(done); w.Run(ctx, slog.New(slog.DiscardHandler)) }()
		<-began
		cancel()
		<-done
		require.NoError(t, outcome, "its context lasted until it was done")
	})
}

func TestAStepThatNeverEndsIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w := worker.Worker{Name: "stuck", Step: func(ctx context.Context) (int, error) {
			close(began)
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		go func() { defer close(done); w.Run(ctx, slog.New(slog.DiscardHandler)) }()
		<-began
		cancel()
		start := time.Now()
		<-done
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}
