package breaker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"
	"pgregory.net/rapid"

	"troupe/patterns/breaker"
)

// Two breakers written by others serve as oracles, each in the configurations
// where the three mean the same. A step lasts whole seconds and recovery does not,
// so that nothing depends on who counts a boundary as inside.

const recovery = 5500 * time.Millisecond

// oracle is another breaker. begin says whether a call may start and how to end it.
type oracle interface {
	begin() (end func(breaker.Outcome), allowed bool)
	state() breaker.State
}

type ours struct{ *breaker.Breaker }

func (b ours) begin() (func(breaker.Outcome), bool) {
	p, err := b.Allow()
	return func(o breaker.Outcome) { b.Done(p, o) }, err == nil
}

func (b ours) state() breaker.State { return b.Snapshot().State }

type sony struct {
	*gobreaker.TwoStepCircuitBreaker[any]
}

var (
	errFailed  = errors.New("failed")
	errIgnored = errors.New("ignored")
)

func newSony(s gobreaker.Settings) sony {
	s.Timeout = recovery
	s.IsExcluded = func(err error) bool { return errors.Is(err, errIgnored) }
	return sony{gobreaker.NewTwoStepCircuitBreaker[any](s)}
}

func (b sony) begin() (func(breaker.Outcome), bool) {
	done, err := b.Allow()
	return func(o breaker.Outcome) {
		done(map[breaker.Outcome]error{breaker.Failure: errFailed, breaker.Ignored: errIgnored}[o])
	}, err == nil
}

func (b sony) state() breaker.State {
	return map[gobreaker.State]breaker.State{
		gobreaker.StateClosed: breaker.Closed, gobreaker.StateOpen: breaker.Open,
		gobreaker.StateHalfOpen: breaker.HalfOpen,
	}[b.State()]
}

type failsafe struct {
	circuitbreaker.CircuitBreaker[any]
}

func (b failsafe) begin() (func(breaker.Outcome), bool) {
	allowed := b.TryAcquirePermit()
	return func(o breaker.Outcome) {
		if o == breaker.Failure {
			b.RecordFailure()
			return
		}
		b.RecordSuccess()
	}, allowed
}

func (b failsafe) state() breaker.State {
	return map[circuitbreaker.State]breaker.State{
		circuitbreaker.ClosedState: breaker.Closed, circuitbreaker.OpenState: breaker.Open,
		circuitbreaker.HalfOpenState: breaker.HalfOpen,
	}[b.State()]
}

// step of a script: time passes, a call begins, and one of the open calls ends.
type step struct {
	wait    time.Duration
	begin   bool
	end     int // which of the calls in flight, if there are so many
	outcome breaker.Outcome
}

func steps(overlapping bool, waits []time.Duration, outcomes ...breaker.Outcome) *rapid.Generator[[]step] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		s := step{
			wait:    rapid.SampledFrom(waits).Draw(t, "wait"),
			begin:   true,
			outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome"),
		}
		if overlapping {
			s.begin = rapid.Bool().Draw(t, "begin")
			s.end = rapid.IntRange(0, 5).Draw(t, "end")
		}
		return s
	}), 1, 400)
}

// play runs the script on both and tells the first difference.
func play(script []step, a, b oracle) error {
	type pair struct{ a, b func(breaker.Outcome) }
	var flying []pair
	for i, s := range script {
		time.Sleep(s.wait)
		if s.begin {
			endA, allowedA := a.begin()
			endB, allowedB := b.begin()
			if allowedA != allowedB {
				return fmt.Errorf("step %d: allowed %v, oracle %v", i, allowedA, allowedB)
			}
			if allowedA {
				flying = append(flying, pair{endA, endB})
			}
		}
		if s.end < len(flying) {
			call := flying[s.end]
			flying = append(flying[:s.end], flying[s.end+1:]...)
			call.a(s.outcome)
			call.b(s.outcome)
		}
		// gobreaker leaves OPEN when looked at, we when called: that is no difference.
		stateA, stateB := a.state(), b.state()
		if stateA != stateB && (stateA != breaker.Open || stateB != breaker.HalfOpen) {
			return fmt.Errorf("step %d: %v, oracle %v", i, stateA, stateB)
		}
	}
	return nil
}

func agree(t *testing.T, scripts *rapid.Generator[[]step], us breaker.Config, them func() oracle) {
	t.Parallel()
	us.Recovery, us.RecoveryMax, us.Jitter = recovery, recovery, -1
	us.ProbeTimeout = 1e6 * time.Hour // no oracle knows it
	rapid.Check(t, func(rt *rapid.T) {
		script := scripts.Draw(rt, "script")
		var difference error
		synctest.Test(t, func(*testing.T) {
			difference = play(script, ours{breaker.New(us)}, them())
		})
		if difference != nil {
			rt.Fatal(difference)
		}
	})
}

const never = 2 // a rate that no window reaches

var anyWait = []time.Duration{0, 0, 0, 0, 0, 0, time.Second, 2 * time.Second, 6 * time.Second}

func TestLikeGobreakerByStreakWithOverlappingCalls(t *testing.T) {
	agree(t, steps(true, anyWait, ok, fail, fail, ignored),
		breaker.Config{Streak: 3, FailureRate: never, SlowRate: never, Probes: 1, Successes: 1},
		func() oracle {
			return newSony(gobreaker.Settings{
				MaxRequests: 1,
				ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
			})
		})
}

func TestLikeGobreakerByRateInARollingWindow(t *testing.T) {
	agree(t, steps(false, anyWait, ok, ok, fail),
		breaker.Config{Streak: -1, MinCalls: 5, FailureRate: 0.5, SlowRate: never, Window: 10 * time.Second, Probes: 3, Successes: 3},
		func() oracle {
			return newSony(gobreaker.Settings{
				MaxRequests: 3, Interval: 10 * time.Second, BucketPeriod: time.Second,
				ReadyToTrip: func(c gobreaker.Counts) bool {
					calls := c.TotalSuccesses + c.TotalFailures
					return calls >= 5 && 2*c.TotalFailures >= calls
				},
			})
		})
}

func TestLikeFailsafeByStreak(t *testing.T) {
	agree(t, steps(false, anyWait, ok, fail, fail),
		breaker.Config{Streak: 3, FailureRate: never, SlowRate: never, Probes: 2, Successes: 2},
		func() oracle {
			return failsafe{circuitbreaker.NewBuilder[any]().WithFailureThreshold(3).
				WithSuccessThreshold(2).WithDelay(recovery).Build()}
		})
}

// failsafe-go also decides on successes, so the two agree only where a success can
// not raise the rate: no minimum of calls, and all of the window forgotten at once.
func TestLikeFailsafeByRate(t *testing.T) {
	agree(t, steps(false, []time.Duration{0, 0, 0, 0, 0, 0, 0, 20 * time.Second}, ok, ok, ok, fail),
		breaker.Config{Streak: -1, MinCalls: 1, FailureRate: 0.5, SlowRate: never, Window: 10 * time.Second, Probes: 2, Successes: 2},
		func() oracle {
			return failsafe{circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 1, 10*time.Second).
				WithSuccessThreshold(2).WithDelay(recovery).Build()}
		})
}
