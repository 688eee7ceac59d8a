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

// running is a worker that runs in a synctest bubble, and the times of its steps.
type running struct {
	start time.Time
	at    []time.Duration
	log   bytes.Buffer
	wake  worker.Notifier
	stop  context.CancelFunc
	done  chan struct{}
}

// run starts a worker with an interval of one second. step receives the number of
// steps before it.
func run(t *testing.T, step func(n int) (int, error)) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{start: time.Now(), wake: worker.NewNotifier(), stop: cancel, done: make(chan struct{})}
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

func (r *running) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *running) shutDown() {
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
		r.wait(0)
		require.Equal(t, make([]time.Duration, 6), r.at)
		r.shutDown()
	})
}

// Each step takes a second of the ten.
func TestABackgroundWorkerLeavesMostOfTheTimeToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		steps, ended := 0, make(chan struct{})
		w := worker.Worker{Name: "retention", Interval: time.Hour, Background: true, Step: func(context.Context) (int, error) {
			steps++
			<-time.After(time.Second)
			return 500, nil
		}}
		go func() {
			defer close(ended)
			w.Run(ctx, slog.New(slog.DiscardHandler))
		}()
		<-time.After(58 * time.Second)
		require.Equal(t, 12, steps)
		began := time.Now()
		stop()
		<-ended
		require.LessOrEqual(t, time.Since(began), time.Second, "it does not rest when it shall end")
	})
}

func TestIdleWaitsGrowToTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(int) (int, error) { return 0, nil })
		r.wait(5 * time.Second)
		require.Equal(t, []time.Duration{
			0, 62500 * time.Microsecond, 187500 * time.Microsecond, 437500 * time.Microsecond,
			937500 * time.Microsecond, 1937500 * time.Microsecond, 2937500 * time.Microsecond, 3937500 * time.Microsecond,
			4937500 * time.Microsecond,
		}, r.at)
		r.shutDown()
	})
}

func TestNotifyEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, func(int) (int, error) { return 0, nil })
		r.wait(2 * time.Second)
		r.at = nil
		r.wait(10 * time.Millisecond)
		r.wake.Notify()
		r.wait(0)
		require.Equal(t, []time.Duration{2010 * time.Millisecond}, r.at)
		r.shutDown()
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
		r.wait(time.Millisecond)
		r.wake.Notify()
		r.wake.Notify()
		r.wait(time.Second)
		require.Equal(t, []time.Duration{0, time.Second}, r.at)
		r.shutDown()
	})
}

func TestAPartialBatchEndsTheRunAndNotifyLingers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		wake, start := worker.NewNotifier(), time.Now()
		var at []time.Duration
		w := worker.Worker{
			Name: "relay", Interval: time.Second, Wake: wake, BatchSize: 100, Linger: 2 * time.Millisecond,
			Step: func(context.Context) (int, error) {
				at = append(at, time.Since(start))
				return []int{100, 99, 5, 0}[min(len(at)-1, 3)], nil
			},
		}
		var wait sync.WaitGroup
		wait.Go(func() { w.Run(ctx, slog.New(slog.DiscardHandler)) })
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0}, at, "a full step is followed by another, a partial one is not")
		time.Sleep(10 * time.Millisecond)
		wake.Notify()
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0, 12 * time.Millisecond}, at)
		stop()
		wait.Wait()
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
			r.wait(100 * time.Millisecond)
		}
		r.shutDown()
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
			return 1, errors.New("one message was rejected")
		})
		r.wait(3500 * time.Millisecond)
		r.shutDown()
		require.Greater(t, len(r.at), 3000)
		require.Equal(t, 4, strings.Count(r.log.String(), "one message was rejected"))
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
		r.wait(time.Second)
		r.shutDown()
		require.Greater(t, len(r.at), 1)
		require.Contains(t, r.log.String(), "panic: oops")
		require.Contains(t, r.log.String(), "worker_test.go", "the stack shows where it happened")
	})
}

func TestARunningStepFinishesAfterShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outcome error
		started := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w := worker.Worker{Name: "slow", Step: func(ctx context.Context) (int, error) {
			close(started)
			time.Sleep(3 * time.Second)
			outcome = ctx.Err()
			return 1, nil
		}}
		go func() { defer close(done); w.Run(ctx, slog.New(slog.DiscardHandler)) }()
		<-started
		cancel()
		<-done
		require.NoError(t, outcome, "its context does not end before the step does")
	})
}

func TestAStepThatNeverEndsIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w := worker.Worker{Name: "stuck", Step: func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		go func() { defer close(done); w.Run(ctx, slog.New(slog.DiscardHandler)) }()
		<-started
		cancel()
		start := time.Now()
		<-done
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}
