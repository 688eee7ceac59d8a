// Package inbox makes at-least-once delivery take effect once: the event's id
// and the effect of hearing it commit in one transaction, so that a second
// delivery is seen and dropped.
//
// A batch of events is one transaction. If it fails, its halves are tried, and
// theirs, so that the events that can not be handled are found; one that fails
// alone is parked in the service's own database, tried again with growing waits,
// and after the last try kept as a dead letter that an operator can look at and
// replay. Its neighbours never notice.
package inbox

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Migrations make the tables inbox and parked; versions 201 to 299.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config of an Inbox. All fields but Jitter are needed.
type Config struct {
	Service  string
	DB       sqldb.DB
	Handlers []Handler // at most one per type
	Now      func() time.Time
	Log      *slog.Logger
	Jitter   func() float64 // spreads retries, in [0, 1); nil means at random
}

// Inbox hears events for one service.
type Inbox struct {
	service   string
	db        sqldb.DB
	reactions map[string]*Handler // by type
	now       func() time.Time
	log       *slog.Logger
	jitter    func() float64
	tracer    trace.Tracer
	metrics   *metrics
}

// New makes an inbox on c.DB. It panics if a type has two reactions.
func New(c Config) *Inbox {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	i := &Inbox{
		service: c.Service, db: c.DB, reactions: make(map[string]*Handler, len(c.Handlers)),
		now: c.Now, log: c.Log, jitter: c.Jitter, tracer: telemetry.Tracer(c.Service), metrics: newMetrics(),
	}
	for _, r := range c.Handlers {
		if i.reactions[r.Type] != nil {
			panic(fmt.Sprintf("inbox: %s has two reactions to %s", c.Service, r.Type))
		}
		i.reactions[r.Type] = &r
	}
	return i
}

// Workers are the loops that an inbox needs beside its deliveries.
func (i *Inbox) Workers() []worker.Worker {
	return []worker.Worker{i.RetryWorker(), i.PruneWorker()}
}

// Consume takes deliveries in: each new one has its effect exactly once or
// is parked. An error means that nothing may be acknowledged. It is a
// bus.BatchHandler; an empty batch asks whether it can handle anything now.
func (i *Inbox) Consume(ctx context.Context, batch []bus.Delivery) error {
	if len(batch) == 0 {
		return i.db.Ping(ctx)
	}
	i.metrics.batch.Observe(float64(len(batch)))
	sorted, failures := i.sort(batch)
	for _, f := range failures {
		if err := i.park(ctx, f); err != nil {
			return err
		}
	}
	if !careful(batch) {
		return i.handleOrPark(ctx, sorted)
	}
	for n := range sorted {
		if err := i.handleOrPark(ctx, sorted[n:n+1]); err != nil {
			return err
		}
	}
	return nil
}

// From carefulAttempt on, a batch is handled one by one: it has been handed
// out before and may hold the event that kills the process.
const carefulAttempt = 2

func careful(batch []bus.Delivery) bool {
	return slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.Attempt >= carefulAttempt })
}

// handle takes events in together: all have their effect, or none.
func (i *Inbox) handle(ctx context.Context, hs []heard) (err error) {
	end := i.trace(ctx, hs)
	defer func() { end(err) }()
	var fresh []heard
	err = i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if fresh, err = i.record(ctx, tx, hs); err != nil {
			return err
		}
		inboxRecorded.Hit()
		err = i.react(ctx, tx, fresh)
		inboxReacted.Hit()
		return err
	})
	if err != nil {
		return err
	}
	i.metrics.handled(fresh, i.now())
	i.metrics.duplicates.Add(float64(len(hs) - len(fresh)))
	return nil
}

// record notes the events as handled and gives those that were not before. The
// rows go in sorted, so that two replicas with the same events can not deadlock.
func (i *Inbox) record(ctx context.Context, tx sqldb.Tx, hs []heard) ([]heard, error) {
	now := sqldb.Micros(i.now())
	rows := make([][]any, len(hs))
	for n, h := range hs {
		rows[n] = []any{h.ID, i.service, now}
	}
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	inserted := make(map[string]bool, len(hs))
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO inbox (event_id, consumer, handled_at)", rows,
		"ON CONFLICT DO NOTHING RETURNING event_id", func(r sqldb.Row) error {
			var id string
			err := r.Scan(&id)
			inserted[id] = true
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("record %d events as handled: %w", len(hs), err)
	}
	fresh := make([]heard, 0, len(hs))
	for _, h := range hs {
		if inserted[h.ID] {
			fresh = append(fresh, h)
		}
	}
	return fresh, nil
}

// react calls each reaction once with all its events, in the order in which the
// first of each came.
func (i *Inbox) react(ctx context.Context, tx sqldb.Tx, hs []heard) error {
	var order []*Handler
	received := map[*Handler][]received{}
	for _, h := range hs {
		if received[h.reaction] == nil {
			order = append(order, h.reaction)
		}
		received[h.reaction] = append(received[h.reaction], h.received)
	}
	for _, r := range order {
		start := i.now()
		if err := r.react(ctx, tx, received[r]); err != nil {
			return fmt.Errorf("react to %s: %w", r.Type, err)
		}
		i.metrics.took(r.Type, i.now().Sub(start))
	}
	return nil
}

// handleOrPark takes events in: together if that goes, else each half by itself,
// down to the single events that fail alone, which are parked.
func (i *Inbox) handleOrPark(ctx context.Context, hs []heard) error {
	if len(hs) == 0 {
		return nil
	}
	err := i.handle(ctx, hs)
	switch {
	case err == nil:
		return nil
	case i.databaseGone(ctx):
		return err
	case len(hs) == 1:
		return i.park(ctx, failure{heard: hs[0], attempts: 1, err: err})
	}
	half := len(hs) / 2
	if err := i.handleOrPark(ctx, hs[:half]); err != nil {
		return err
	}
	return i.handleOrPark(ctx, hs[half:])
}

// databaseGone tells a failure that any event would have had from an event's own.
func (i *Inbox) databaseGone(ctx context.Context) bool {
	return ctx.Err() != nil || i.db.Ping(ctx) != nil
}
