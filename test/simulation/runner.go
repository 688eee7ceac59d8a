package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Plan is a run of many worlds.
type Plan struct {
	First   uint64 // the seed of the first world; the others follow
	Seeds   int    // how many worlds
	Steps   int    // of each
	Players int    // how many worlds are played at once; 0 means 1
	Fault   *Fault // nil: none
	// Tries is how many shorter stories are tried for a failure; 0 means 300.
	Tries int
}

const defaultTries = 300

// Run plays all worlds of a plan and tells each of those that went well. It stops
// at the first that did not, shortens its story, and returns it as a *Failure.
func Run(ctx context.Context, p Plan, each func(Summary)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	seeds := make(chan uint64)
	var players sync.WaitGroup
	var telling sync.Mutex
	for range max(1, p.Players) {
		players.Go(func() {
			err := p.playAll(ctx, seeds, func(s Summary) {
				telling.Lock()
				defer telling.Unlock()
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
	players.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// playAll is one player's part.
func (p Plan) playAll(ctx context.Context, seeds <-chan uint64, each func(Summary)) (err error) {
	player, err := NewPlayer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, player.Close()) }()
	for seed := range seeds {
		s, err := player.Play(ctx, seed, p.Steps, p.Fault)
		if f := (*Failure)(nil); errors.As(err, &f) {
			tries := p.Tries
			if tries == 0 {
				tries = defaultTries
			}
			return player.Shorten(ctx, f, p.Fault, tries)
		}
		if err != nil {
			return fmt.Errorf("play seed %d: %w", seed, err)
		}
		each(s)
	}
	return nil
}
