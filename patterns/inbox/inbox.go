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

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// Migrations create the tables inbox and parked; versions 201 to 299.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config configures an Inbox. All fields but Jitter and Journal are required.
type Config struct {
	Service  string
	DB       sqldb.DB
	Handlers []Handler // at most one per type
	Now      func() time.Time
	Log      *slog.Logger
	Jitter   func() float64 // spreads retries, in [0, 1); nil means at random
	// Journal records the attempts to handle events; nil: none are recorded.
	Journal *journal.Recorder
}

// Inbox consumes events for one service.
type Inbox struct {
	service  string
	db       sqldb.DB
	handlers map[string]*Handler // by type
	now      func() time.Time
	log      *slog.Logger
	jitter   func() float64
	metrics  *metrics
	journal  *journal.Recorder
}

// New returns an inbox on c.DB. It panics if a type has two handlers.
func New(c Config) *Inbox {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	i := &Inbox{
		service: c.Service, db: c.DB, handlers: make(map[string]*Handler, len(c.Handlers)),
		now: c.Now, log: c.Log, jitter: c.Jitter, metrics: newMetrics(c.Service), journal: c.Journal,
	}
	for _, h := range c.Handlers {
		if i.handlers[h.Type] != nil {
			panic(fmt.Sprintf("inbox: %s has two handlers for %s", c.Service, h.Type))
		}
		i.handlers[h.Type] = &h
	}
	return i
}

// Workers returns the loops that an inbox needs beside its deliveries.
func (i *Inbox) Workers() []worker.Worker {
	return []worker.Worker{i.RetryWorker(), i.PruneWorker()}
}

// Consume handles a batch of deliveries: each new event has its effect exactly
// once or is parked. An error means that nothing may be acknowledged. Consume is
// a bus.BatchHandler; an empty batch asks whether it could handle events now.
func (i *Inbox) Consume(ctx context.Context, batch []bus.Delivery) error {
	if len(batch) == 0 {
		return i.db.Ping(ctx)
	}
	i.metrics.batch.Observe(float64(len(batch)))
	events, failures := i.decodeBatch(batch)
	for _, f := range failures {
		if err := i.park(ctx, f); err != nil {
			return err
		}
	}
	if !isRedelivery(batch) {
		return i.handleOrPark(ctx, events)
	}
	for n := range events {
		if err := i.handleOrPark(ctx, events[n:n+1]); err != nil {
			return err
		}
	}
	return nil
}

// redeliveryAttempt is the attempt from which on a batch is handled one by one:
// it has been delivered before and may hold the event that kills the process.
const redeliveryAttempt = 2

// isRedelivery reports whether one of the deliveries has failed so often that the
// batch must be handled one by one.
func isRedelivery(batch []bus.Delivery) bool {
	return slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.Attempt >= redeliveryAttempt })
}

// handle handles the events in one transaction: all of them take effect, or none.
func (i *Inbox) handle(ctx context.Context, events []decoded) (err error) {
	ctx, end := i.startSpans(ctx, events, false)
	started := i.now()
	defer func() {
		end(err)
		i.metrics.messaging.Observe(i.now().Sub(started), len(events), err)
	}()
	var fresh []decoded
	err = i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if fresh, err = i.unhandled(ctx, tx, events); err != nil {
			return err
		}
		inboxRecorded.Hit()
		err = i.callHandlers(ctx, tx, fresh)
		inboxHandled.Hit()
		return err
	})
	if err != nil {
		return err
	}
	now := i.now()
	i.metrics.countHandled(fresh, now)
	i.metrics.duplicates.Add(float64(len(events) - len(fresh)))
	i.recordHandled(events, fresh, started, now)
	return nil
}

// unhandled returns the events that may not have been handled before, in their order: those
// of idempotent handlers, and those whose rows in inbox are new.
func (i *Inbox) unhandled(ctx context.Context, tx sqldb.Tx, events []decoded) ([]decoded, error) {
	byRow := slices.DeleteFunc(slices.Clone(events), func(e decoded) bool { return e.handler.idempotent })
	recorded, err := i.record(ctx, tx, byRow)
	if err != nil || len(byRow) == len(events) {
		return recorded, err
	}
	fresh := make([]decoded, 0, len(events))
	for _, e := range events {
		isRecorded := len(recorded) > 0 && recorded[0].ID == e.ID
		if isRecorded {
			recorded = recorded[1:]
		}
		if isRecorded || e.handler.idempotent {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// record marks the events as handled and returns those that were not before. The
// rows are inserted in sorted order, so that two replicas with the same events
// cannot deadlock.
func (i *Inbox) record(ctx context.Context, tx sqldb.Tx, events []decoded) ([]decoded, error) {
	if len(events) == 0 {
		return nil, nil
	}
	now := sqldb.Micros(i.now())
	rows := make([][]any, len(events))
	for n, e := range events {
		rows[n] = []any{e.ID, i.service, now}
	}
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	inserted := make(map[string]bool, len(events))
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO inbox (event_id, consumer, handled_at)", rows,
		"ON CONFLICT DO NOTHING RETURNING event_id", func(r sqldb.Row) error {
			var id string
			err := r.Scan(&id)
			inserted[id] = true
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("record %d events as handled: %w", len(events), err)
	}
	fresh := make([]decoded, 0, len(events))
	for _, e := range events {
		if inserted[e.ID] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// callHandlers calls each handler once with all its events. The handlers are
// called in the order in which the first event of each arrived.
func (i *Inbox) callHandlers(ctx context.Context, tx sqldb.Tx, events []decoded) error {
	var order []*call
	byCall := map[*call][]decoded{}
	for _, e := range events {
		c := e.handler.call
		if byCall[c] == nil {
			order = append(order, c)
		}
		byCall[c] = append(byCall[c], e)
	}
	for _, c := range order {
		if err := i.call(ctx, tx, c, byCall[c]); err != nil {
			return err
		}
	}
	return nil
}

// call calls c with its events, and what follows after each of its handlers.
func (i *Inbox) call(ctx context.Context, tx sqldb.Tx, c *call, events []decoded) error {
	start := i.now()
	all := make([]received, len(events))
	var handlers []*Handler
	byHandler := map[*Handler][]event.Envelope{}
	for n, e := range events {
		all[n] = e.received
		if byHandler[e.handler] == nil {
			handlers = append(handlers, e.handler)
		}
		byHandler[e.handler] = append(byHandler[e.handler], *e.received.envelope())
	}
	if err := c.handle(ctx, tx, all); err != nil {
		return fmt.Errorf("handle %s: %w", typesOf(handlers), err)
	}
	for _, h := range handlers {
		if h.after == nil {
			continue
		}
		if err := h.after(ctx, tx, byHandler[h]); err != nil {
			return fmt.Errorf("handle %s: %w", h.Type, err)
		}
	}
	for _, h := range handlers {
		i.metrics.observeHandler(h.Type, i.now().Sub(start))
	}
	return nil
}

func typesOf(handlers []*Handler) string {
	types := make([]string, len(handlers))
	for n, h := range handlers {
		types[n] = h.Type
	}
	return strings.Join(types, ", ")
}

// handleOrPark handles the events together if that works, otherwise each half
// separately, down to the single events that fail alone, which it parks.
func (i *Inbox) handleOrPark(ctx context.Context, events []decoded) error {
	if len(events) == 0 {
		return nil
	}
	started := i.now()
	err := i.handle(ctx, events)
	switch {
	case err == nil:
		return nil
	case i.databaseUnavailable(ctx):
		return err
	case len(events) == 1:
		return i.park(ctx, failure{decoded: events[0], attempts: 1, err: err, started: started})
	}
	half := len(events) / 2
	if err := i.handleOrPark(ctx, events[:half]); err != nil {
		return err
	}
	return i.handleOrPark(ctx, events[half:])
}

// databaseUnavailable reports whether any event would have failed, because the
// database does not answer or ctx has ended; then the event is not to blame.
func (i *Inbox) databaseUnavailable(ctx context.Context) bool {
	return ctx.Err() != nil || i.db.Ping(ctx) != nil
}
