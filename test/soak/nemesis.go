package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"troupe/test/cluster"
)

// processNemesis kills processes and starts them again.
type processNemesis struct {
	cluster  *cluster.Cluster
	random   *rand.Rand
	interval time.Duration // between two kills, on average
	kills    atomic.Int64
	exits    []error // of processes that ended without being killed, which none may
}

// run kills one process at a time until ctx ends; then all are running. bound bounds
// the restarts.
func (n *processNemesis) run(ctx, bound context.Context) error {
	for sleepRandomly(ctx, n.random, n.interval) {
		n.checkAllRun()
		names := n.cluster.Nodes()
		name := names[n.random.IntN(len(names))]
		if err := n.cluster.Kill(name); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
		n.kills.Add(1)
		sleepRandomly(ctx, n.random, 250*time.Millisecond) // the others notice that it is down
		if err := n.restart(bound, name); err != nil {
			return err
		}
	}
	n.checkAllRun()
	return nil
}

// checkAllRun records which processes have ended without being killed. It is called
// while all should run.
func (n *processNemesis) checkAllRun() {
	for _, name := range n.cluster.Nodes() {
		select {
		case <-n.cluster.Ended(name):
			n.exits = append(n.exits, fmt.Errorf("%s ended by itself after %d kills", name, n.kills.Load()))
		default:
		}
	}
}

// restart starts a process until it is ready, as any supervisor does: it may end
// because a server is down.
func (n *processNemesis) restart(ctx context.Context, name string) error {
	for {
		err := n.cluster.Start(ctx, name)
		if !errors.Is(err, cluster.ErrEnded) {
			return err
		}
		if !sleep(ctx, time.Second) {
			return err
		}
	}
}

// serverNemesis stops PostgreSQL and RabbitMQ and starts them again.
type serverNemesis struct {
	servers  *cluster.Servers
	random   *rand.Rand
	interval time.Duration // between two outages, on average
	outages  atomic.Int64
}

// run stops one server at a time until ctx ends; then both are running. bound bounds
// the commands.
func (n *serverNemesis) run(ctx, bound context.Context) error {
	servers := []string{"rabbit", "postgres"}
	for sleepRandomly(ctx, n.random, n.interval) {
		servers = slices.Concat(servers[1:], servers[:1]) // in turns, so that a short run stops both
		if err := n.servers.Do(bound, "stop-"+servers[0]); err != nil {
			return err
		}
		n.outages.Add(1)
		sleepRandomly(ctx, n.random, 2*time.Second)
		if err := n.servers.Do(bound, "start-"+servers[0]); err != nil {
			return err
		}
	}
	return nil
}

// sleepRandomly waits for d on average, from half of it to one and a half, and
// reports whether ctx has not ended meanwhile.
func sleepRandomly(ctx context.Context, r *rand.Rand, d time.Duration) bool {
	return sleep(ctx, d/2+time.Duration(r.Int64N(int64(d))))
}

// sleep waits for d and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
