package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"troupe/test/process"
)

// killer kills processes and starts them again.
type killer struct {
	fleet   *process.Fleet
	random  *rand.Rand
	every   time.Duration
	kills   atomic.Int64
	unasked []error // processes that ended by themselves, which none may
}

// run kills one at a time until ctx ends; then all are alive.
func (k *killer) run(ctx, bound context.Context) error {
	for someTime(ctx, k.random, k.every) {
		k.look()
		names := k.fleet.Processes()
		name := names[k.random.IntN(len(names))]
		if err := k.fleet.Kill(name); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
		k.kills.Add(1)
		someTime(ctx, k.random, 250*time.Millisecond) // dead for a while
		if err := k.revive(bound, name); err != nil {
			return err
		}
	}
	k.look()
	return nil
}

// look notes who has ended without being killed. It is called while all should live.
func (k *killer) look() {
	for _, name := range k.fleet.Processes() {
		select {
		case <-k.fleet.Ended(name):
			k.unasked = append(k.unasked, fmt.Errorf("%s ended by itself after %d kills", name, k.kills.Load()))
		default:
		}
	}
}

// revive starts a process, again if it does not come up because of a server that
// is away, as any supervisor would.
func (k *killer) revive(ctx context.Context, name string) error {
	for {
		err := k.fleet.Start(ctx, name)
		if !errors.Is(err, process.ErrEnded) {
			return err
		}
		if !sleep(ctx, time.Second) {
			return err
		}
	}
}

// saboteur stops servers and starts them again.
type saboteur struct {
	servers *servers
	random  *rand.Rand
	every   time.Duration
	outages atomic.Int64
}

// run stops one server at a time until ctx ends; then all run.
func (s *saboteur) run(ctx, bound context.Context) error {
	kinds := []string{"rabbit", "postgres"}
	for someTime(ctx, s.random, s.every) {
		kinds = slices.Concat(kinds[1:], kinds[:1]) // in turns, so that a short run has both
		if err := s.servers.command(bound, "stop-"+kinds[0]); err != nil {
			return err
		}
		s.outages.Add(1)
		someTime(ctx, s.random, 2*time.Second)
		if err := s.servers.command(bound, "start-"+kinds[0]); err != nil {
			return err
		}
	}
	return nil
}

// someTime waits for d on average, from half of it to one and a half, and says
// whether ctx is still on.
func someTime(ctx context.Context, r *rand.Rand, d time.Duration) bool {
	return sleep(ctx, d/2+time.Duration(r.Int64N(int64(d))))
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
