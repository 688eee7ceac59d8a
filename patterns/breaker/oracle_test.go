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

// Two breakers of other projects serve as oracles, each in the configurations in which
// it should behave as this one. A step lasts whole seconds and the recovery time does
// not, so that nothing depends on whether a boundary counts as inside.

const recovery = 5500 * time.Millisecond

// oracle is a breaker under comparison. begin reports whether a call may start, and
// returns the function that ends it.
type oracle interface {
	begin() (end func(breaker.Outcome), allowed bool)
	state() breaker.State
}

type breakerUnderTest struct{ *breaker.Breaker }

func (b breakerUnderTest) begin() (func(breaker.Outcome), bool) {
	p, err := b.Allow()
	return func(o breaker.Outcome) { b.Done(p, o) }, err == nil
}

func (b breakerUnderTest) state() breaker.State { return b.Snapshot().State }

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

// step is a step of a script: time passes, a call begins, and one of the calls in flight
// ends.
type step struct {
	delay   time.Duration
	begin   bool
	end     int // index of the call in flight that ends, if there are so many
	outcome breaker.Outcome
}

func steps(overlapping bool, waits []time.Duration, outcomes ...breaker.Outcome) *rapid.Generator[[]step] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		s := step{
			delay:   rapid.SampledFrom(waits).Draw(t, "wait"),
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

// runScript runs the script on both breakers and returns their first difference.
func runScript(script []step, a, b oracle) error {
	type pair struct{ a, b func(breaker.Outcome) }
	var inFlight []pair
	for i, s := range script {
		time.Sleep(s.delay)
		if s.begin {
			endA, allowedA := a.begin()
			endB, allowedB := b.begin()
			if allowedA != allowedB {
				return fmt.Errorf("step %d: allowed %v, oracle %v", i, allowedA, allowedB)
			}
			if allowedA {
				inFlight = append(inFlight, pair{endA, endB})
			}
		}
		if s.end < len(inFlight) {
			call := inFlight[s.end]
			inFlight = append(inFlight[:s.end], inFlight[s.end+1:]...)
			call.a(s.outcome)
			call.b(s.outcome)
		}
		// gobreaker leaves OPEN when its state is read, this breaker at the next call; that
		// does not count as a difference.
		stateA, stateB := a.state(), b.state()
		if stateA != stateB && (stateA != breaker.Open || stateB != breaker.HalfOpen) {
			return fmt.Errorf("step %d: %v, oracle %v", i, stateA, stateB)
		}
	}
	return nil
}

func requireSameBehavior(t *testing.T, scripts *rapid.Generator[[]step], config breaker.Config, newOracle func() oracle) {
	t.Parallel()
	config.Recovery, config.RecoveryMax, config.Jitter = recovery, recovery, -1
	config.ProbeTimeout = 1e6 * time.Hour // the oracles have no such timeout
	rapid.Check(t, func(rt *rapid.T) {
		script := scripts.Draw(rt, "script")
		var difference error
		synctest.Test(t, func(*testing.T) {
			difference = runScript(script, breakerUnderTest{breaker.New(config)}, newOracle())
		})
		if difference != nil {
			rt.Fatal(difference)
		}
	})
}

const unreachable = 2 // a rate that no window reaches

var anyWait = []time.Duration{0, 0, 0, 0, 0, 0, time.Second, 2 * time.Second, 6 * time.Second}

func TestMatchesGobreakerByStreakWithOverlappingCalls(t *testing.T) {
	requireSameBehavior(t, steps(true, anyWait, ok, fail, fail, ignored),
		breaker.Config{Streak: 3, FailureRate: unreachable, SlowRate: unreachable, Probes: 1, Successes: 1},
		func() oracle {
			return newSony(gobreaker.Settings{
				MaxRequests: 1,
				ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 3 },
			})
		})
}

func TestMatchesGobreakerByRateInARollingWindow(t *testing.T) {
	requireSameBehavior(t, steps(false, anyWait, ok, ok, fail),
		breaker.Config{Streak: -1, MinCalls: 5, FailureRate: 0.5, SlowRate: unreachable, Window: 10 * time.Second, Probes: 3, Successes: 3},
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

func TestMatchesFailsafeByStreak(t *testing.T) {
	requireSameBehavior(t, steps(false, anyWait, ok, fail, fail),
		breaker.Config{Streak: 3, FailureRate: unreachable, SlowRate: unreachable, Probes: 2, Successes: 2},
		func() oracle {
			return failsafe{circuitbreaker.NewBuilder[any]().WithFailureThreshold(3).
				WithSuccessThreshold(2).WithDelay(recovery).Build()}
		})
}

// failsafe-go also checks the rate after a success, so the two agree only where a success
// cannot raise the rate: no minimum of calls, and a window that is forgotten as a whole.
func TestMatchesFailsafeByRate(t *testing.T) {
	requireSameBehavior(t, steps(false, []time.Duration{0, 0, 0, 0, 0, 0, 0, 20 * time.Second}, ok, ok, ok, fail),
		breaker.Config{Streak: -1, MinCalls: 1, FailureRate: 0.5, SlowRate: unreachable, Window: 10 * time.Second, Probes: 2, Successes: 2},
		func() oracle {
			return failsafe{circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 1, 10*time.Second).
				WithSuccessThreshold(2).WithDelay(recovery).Build()}
		})
}
