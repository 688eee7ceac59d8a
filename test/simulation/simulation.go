// Package simulation plays the whole system in a world that is out to break it.
//
// The services are the real ones, with their handlers, loops and SQL on SQLite;
// around them is a world without goroutines, in which a seeded choice says what
// happens next: who hears which messages, in what order and how often, whose
// confirmation or acknowledgement gets lost, which process dies in the middle of
// which transaction, when the payment provider answers, what time it is for whom.
// After each step everything that the step committed is held against what must
// always be true, and in the end, when the storm is over, against what must be
// true of a world at rest. The same seed is always the same story.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Failure is a world in which something went wrong.
type Failure struct {
	Seed    uint64
	Steps   []int // those that were played
	Err     error
	History []string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, %d steps: %v\n%s\nto keep it, put this into kept_test.go: {%d, %#v},",
		f.Seed, len(f.Steps), f.Err, tail(f.History, 80), f.Seed, f.Steps)
}

func (f *Failure) Unwrap() error { return f.Err }

// Player plays worlds, one after the other. Several players can play at once.
type Player struct{ disks *disks }

// NewPlayer makes a player.
func NewPlayer() (*Player, error) {
	d, err := newDisks()
	return &Player{disks: d}, err
}

// Close removes what the player wrote to disk.
func (p *Player) Close() error { return p.disks.Close() }

// Play plays the world of a seed for a number of steps. fault may be nil. It
// fails with a *Failure, or because ctx ended.
func (p *Player) Play(ctx context.Context, seed uint64, steps int, fault *Fault) (Summary, error) {
	return p.play(ctx, seed, numbers(steps), fault)
}

// numbers counts from 1 to n.
func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// Summary is what happened in a world.
type Summary struct {
	Seed        uint64
	Weather     string
	Steps       int
	Orders      map[string]int // by their last status
	Events      int
	Fingerprint uint64 // of the history
}

func (p *Player) play(ctx context.Context, seed uint64, steps []int, fault *Fault) (Summary, error) {
	w, err := newWorld(ctx, seed, p.disks, fault)
	if err != nil {
		return Summary{}, fmt.Errorf("make the world of seed %d: %w", seed, err)
	}
	played, err := w.run(ctx, steps)
	if ctx.Err() != nil {
		return Summary{}, ctx.Err()
	}
	if err != nil {
		err = &Failure{Seed: seed, Steps: steps[:played], Err: err, History: w.history.lines}
	}
	return w.summary(played), err
}

// run plays the steps and the end, and says how many steps it came to.
func (w *world) run(ctx context.Context, steps []int) (played int, err error) {
	if err := w.open(ctx); err != nil {
		return 0, err
	}
	for n, step := range steps {
		if err := w.step(ctx, step); err != nil {
			return n + 1, err
		}
	}
	return len(steps), w.finish(ctx)
}

func (w *world) summary(steps int) Summary {
	s := Summary{Seed: w.seed, Weather: w.forecast.String(), Steps: steps, Orders: map[string]int{}, Events: len(w.witness.journal), Fingerprint: w.history.fingerprint()}
	for _, o := range w.witness.orders {
		s.Orders[o.status]++
	}
	return s
}

// Shorten looks for a shorter story that ends in the same kind of trouble, by
// leaving out steps, and plays at most tries of them.
func (p *Player) Shorten(ctx context.Context, f *Failure, fault *Fault, tries int) *Failure {
	for chunk := max(1, len(f.Steps)/2); tries > 0 && ctx.Err() == nil; chunk = max(1, chunk/2) {
		shorter := false
		for from := 0; from < len(f.Steps) && tries > 0; {
			without := append(append([]int{}, f.Steps[:from]...), f.Steps[min(from+chunk, len(f.Steps)):]...)
			tries--
			_, err := p.play(ctx, f.Seed, without, fault)
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

// kind is what a failure is about, whichever order it met.
func kind(f *Failure) string {
	words := strings.FieldsFunc(f.Err.Error(), func(r rune) bool { return r < 'a' || r > 'z' })
	return strings.Join(words[:min(3, len(words))], " ")
}
