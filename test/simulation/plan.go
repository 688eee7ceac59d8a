package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Plan describes many runs.
type Plan struct {
	First   uint64 // the seed of the first run; the others follow
	Seeds   int    // how many runs
	Steps   int    // of each run
	Workers int    // how many runs are simulated at the same time; 0 means 1
	Bug     *Bug   // nil: none
	// Tries is how many shorter runs are tried after a failure; 0 means 300.
	Tries int
}

const defaultTries = 300

// Run simulates all runs of a plan and calls each with those that went well. It stops
// at the first failure, shortens the run, and returns it as a *Failure.
func Run(ctx context.Context, p Plan, each func(Summary)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	var calling sync.Mutex
	for range max(1, p.Workers) {
		workers.Go(func() {
			err := p.simulateAll(ctx, seeds, func(s Summary) {
				calling.Lock()
				defer calling.Unlock()
				each(s)
			})
			if err != nil {
				stop(err)
			}
		})
	}
	for n := range p.Seeds {
		select {
		case seeds <- p.First + uint64(n):
		case <-ctx.Done():
		}
	}
	close(seeds)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// simulateAll is the work of one worker.
func (p Plan) simulateAll(ctx context.Context, seeds <-chan uint64, each func(Summary)) (err error) {
	simulator, err := NewSimulator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, simulator.Close()) }()
	for seed := range seeds {
		s, err := simulator.Simulate(ctx, seed, p.Steps, p.Bug)
		if f := (*Failure)(nil); errors.As(err, &f) {
			tries := p.Tries
			if tries == 0 {
				tries = defaultTries
			}
			return simulator.Shorten(ctx, f, p.Bug, tries)
		}
		if err != nil {
			return fmt.Errorf("simulate seed %d: %w", seed, err)
		}
		each(s)
	}
	return nil
}
