package republish

import (
	"context"
	"fmt"
	"time"

	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// Projection is a copy of data of another service.
type Projection struct {
	Name string // of the owner's Source
	// Empty reports whether there is nothing in it.
	Empty func(ctx context.Context, q sqldb.Querier) (bool, error)
}

// Requester asks for the projections with which the service has started empty.
type Requester struct {
	DB          sqldb.DB
	Projections []Projection
	Now         func() time.Time
	// Request publishes the request for a projection if and when tx commits.
	Request func(ctx context.Context, tx sqldb.Tx, projection string) error

	since time.Time       // the first step
	done  map[string]bool // the projections that are not empty, or were asked for
}

const (
	// grace is how long after its start a service waits for events that fill an empty
	// projection: those of a system that starts for the first time.
	grace = 10 * time.Second
	// pause is the shortest time between two requests, of replicas and of starts.
	pause = time.Minute
)

// Worker returns the worker that asks.
func (r *Requester) Worker() worker.Worker {
	return worker.Worker{Name: "projections", Interval: time.Second, BatchSize: 1 << 30, Step: r.Step}
}

// Step asks for each projection that is still empty after the grace period, once.
func (r *Requester) Step(ctx context.Context) (asked int, err error) {
	if r.done == nil {
		r.since, r.done = r.Now(), map[string]bool{}
	}
	for _, p := range r.Projections {
		if r.done[p.Name] {
			continue
		}
		empty, err := p.Empty(ctx, r.DB)
		if err != nil {
			return asked, fmt.Errorf("look for %s: %w", p.Name, err)
		}
		if empty && r.Now().Sub(r.since) < grace {
			continue
		}
		if empty {
			if err := r.ask(ctx, p.Name); err != nil {
				return asked, fmt.Errorf("ask for %s: %w", p.Name, err)
			}
			asked++
		}
		r.done[p.Name] = true
	}
	return asked, nil
}

func (r *Requester) ask(ctx context.Context, projection string) error {
	return r.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := r.Now()
		n, err := tx.Exec(ctx, `INSERT INTO projection_requests (projection, requested_at) VALUES ($1, $2)
			ON CONFLICT (projection) DO UPDATE SET requested_at = excluded.requested_at WHERE projection_requests.requested_at <= $3`,
			projection, sqldb.Micros(now), sqldb.Micros(now.Add(-pause)))
		if err != nil || n == 0 { // another replica has asked
			return err
		}
		return r.Request(ctx, tx, projection)
	})
}
