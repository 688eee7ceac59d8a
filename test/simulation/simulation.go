// Package simulation runs the whole system under simulated faults, step by step.
//
// The services are the real ones, with their handlers, loops and SQL on SQLite. All
// around them is simulated without goroutines: a seeded random choice decides what
// happens next, which service consumes which messages, in what order and how often,
// which confirmation or acknowledgement gets lost, which process crashes in the
// middle of which transaction, when the payment provider responds, and what time
// each service's clock shows. After each step, everything that the step committed is
// checked against what must always hold; at the end, when there are no more faults,
// against what must hold once nothing is left to do. The same seed is always the
// same run.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Failure is a run in which an invariant was violated.
type Failure struct {
	Seed    uint64
	Steps   []int // those that were taken
	Err     error
	History []string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, %d steps: %v\n%s\nto keep it, add this to regressions_test.go: {%d, %#v},",
		f.Seed, len(f.Steps), f.Err, lastLines(f.History, 80), f.Seed, f.Steps)
}

func (f *Failure) Unwrap() error { return f.Err }

// Simulator simulates one run after the other. Several simulators can be used at the
// same time.
type Simulator struct{ databases *databasePool }

// NewSimulator returns a simulator with empty databases.
func NewSimulator() (*Simulator, error) {
	d, err := newDatabasePool()
	return &Simulator{databases: d}, err
}

// Close closes the databases.
func (s *Simulator) Close() error { return s.databases.Close() }

// Simulate simulates the run of a seed for a number of steps. bug may be nil. The error
// is a *Failure, or that of ctx.
func (s *Simulator) Simulate(ctx context.Context, seed uint64, steps int, bug *Bug) (Summary, error) {
	return s.simulate(ctx, seed, stepsUpTo(steps), bug)
}

// stepsUpTo returns the numbers from 1 to n.
func stepsUpTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Summary is what happened in a run.
type Summary struct {
	Seed        uint64
	Faults      string
	Steps       int
	Orders      map[string]int // how many, by their last status
	Events      int
	Fingerprint uint64 // of the history: the same for the same run
}

func (s *Simulator) simulate(ctx context.Context, seed uint64, steps []int, bug *Bug) (Summary, error) {
	r, err := newRun(ctx, seed, s.databases, bug)
	if err != nil {
		return Summary{}, fmt.Errorf("begin the run of seed %d: %w", seed, err)
	}
	done, err := r.execute(ctx, steps)
	if ctx.Err() != nil {
		return Summary{}, ctx.Err()
	}
	if err != nil {
		err = &Failure{Seed: seed, Steps: steps[:done], Err: err, History: r.history.lines}
	}
	return r.summary(done), err
}

// execute takes the steps and then lets the system become quiet. It returns how many
// steps were taken.
func (r *run) execute(ctx context.Context, steps []int) (done int, err error) {
	if err := r.begin(ctx); err != nil {
		return 0, err
	}
	for n, step := range steps {
		if err := r.step(ctx, step); err != nil {
			return n + 1, err
		}
	}
	return len(steps), r.finish(ctx)
}

// summary returns what happened so far.
func (r *run) summary(steps int) Summary {
	s := Summary{Seed: r.seed, Faults: r.profile.String(), Steps: steps, Orders: map[string]int{}, Events: len(r.checker.journal), Fingerprint: r.history.fingerprint()}
	for _, o := range r.checker.orders {
		s.Orders[o.status]++
	}
	return s
}

// Shorten looks for a shorter run with the same kind of failure by leaving out steps,
// and simulates at most so many runs as tries.
func (s *Simulator) Shorten(ctx context.Context, f *Failure, bug *Bug, tries int) *Failure {
	for chunk := max(1, len(f.Steps)/2); tries > 0 && ctx.Err() == nil; chunk = max(1, chunk/2) {
		shorter := false
		for from := 0; from < len(f.Steps) && tries > 0; {
			without := append(append([]int{}, f.Steps[:from]...), f.Steps[min(from+chunk, len(f.Steps)):]...)
			tries--
			_, err := s.simulate(ctx, f.Seed, without, bug)
			var again *Failure
			if errors.As(err, &again) && len(again.Steps) < len(f.Steps) && kind(again) == kind(f) {
				f, shorter = again, true
				continue
			}
			from += chunk
		}
		if chunk == 1 && !shorter {
			break
		}
	}
	return f
}

// kind returns what a failure is about, without the order it happened to.
func kind(f *Failure) string {
	words := strings.FieldsFunc(f.Err.Error(), func(r rune) bool { return r < 'a' || r > 'z' })
	return strings.Join(words[:min(3, len(words))], " ")
}
