// Package inbox makes at-least-once delivery take effect once: the event's id
// and the effect of hearing it commit in one transaction, so that a second
// delivery is seen and dropped.
//
// A batch of events is one transaction. If it fails, each event is tried by
// itself; one that fails alone is parked in the service's own database, tried
// again with growing waits, and after the last try kept as a dead letter that
// an operator can look at and replay. Its neighbours never notice.
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
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// Migrations make the tables inbox and parked; versions 201 to 299.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const (
	// From carefulAttempt on, a batch is handled one by one: it has been handed
	// out before and may hold the event that kills the process.
	carefulAttempt = 2
	// From crashAttempt on, an event is parked without a try. Its retries are
	// counted before they begin, so that one which kills the process ends up
	// dead, and one that merely stood beside it is handled by the first retry.
	crashAttempt = 10
)

// Config of an Inbox. All fields but Jitter are needed.
type Config struct {
	Service   string
	DB        sqldb.DB
	Reactions []Reaction // at most one per type
	Now       func() time.Time
	Log       *slog.Logger
	Jitter    func() float64 // spreads retries, in [0, 1); nil means at random
}

// Inbox hears events for one service.
type Inbox struct {
	Config
	reactions map[string]*Reaction
	metrics   *metrics
}

// New makes an inbox on c.DB. It panics if a type has two reactions.
func New(c Config) *Inbox {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	i := &Inbox{Config: c, reactions: make(map[string]*Reaction, len(c.Reactions)), metrics: newMetrics()}
	for _, r := range c.Reactions {
		if i.reactions[r.Type] != nil {
			panic(fmt.Sprintf("inbox: %s has two reactions to %s", c.Service, r.Type))
		}
		i.reactions[r.Type] = &r
	}
	return i
}

// Workers are the loops that an inbox needs beside its deliveries.
func (i *Inbox) Workers() []worker.Worker {
	return []worker.Worker{i.Retries(), i.Pruning()}
}

// heard is an event on its way to its reaction.
type heard struct {
	event.Event
	body     []byte
	reaction *Reaction
	received any // what reaction.decode gave
}

// HandleBatch takes deliveries in: each new one has its effect exactly once or
// is parked. An error means that nothing may be acknowledged. It is a
// bus.BatchHandler.
func (i *Inbox) HandleBatch(ctx context.Context, batch []bus.Delivery) error {
	i.metrics.batch.Observe(float64(len(batch)))
	sorted, failures := i.sort(batch)
	for _, f := range failures {
		if err := i.park(ctx, f); err != nil {
			return err
		}
	}
	if len(sorted) == 0 {
		return nil
	}
	if !careful(batch) && i.handle(ctx, sorted) == nil {
		return nil
	}
	return i.handleSingly(ctx, sorted)
}

func careful(batch []bus.Delivery) bool {
	return slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.Attempt >= carefulAttempt })
}

// sort reads a batch. Events that no reaction can be tried on are failures;
// those of types that the service does not know are dropped, and so is the
// second of two with one id.
func (i *Inbox) sort(batch []bus.Delivery) (sorted []heard, failures []failure) {
	sorted = make([]heard, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	for _, d := range batch {
		h, err := i.read(d.Body)
		switch {
		case err != nil:
			failures = append(failures, failure{heard: h.orUnread(d), attempts: 1, err: err})
		case h.reaction == nil:
			i.metrics.ignored.Inc()
		case d.Attempt >= crashAttempt:
			err := fmt.Errorf("handed out %d times and never acknowledged", d.Attempt)
			failures = append(failures, failure{heard: h, err: err})
		case seen[h.ID]:
			i.metrics.duplicates.Inc()
		default:
			seen[h.ID] = true
			sorted = append(sorted, h)
		}
	}
	return sorted, failures
}

// read decodes a body for its reaction, which is nil if the service does not
// know the type. Another major version of a type that it does know is an error.
func (i *Inbox) read(body []byte) (h heard, err error) {
	if h.Event, err = event.Decode(body); err != nil {
		return heard{}, Permanent(err)
	}
	h.body, h.reaction = body, i.reactions[h.Type]
	if h.reaction != nil {
		h.received, err = h.reaction.decode(h.Event)
		return h, err
	}
	if known := i.otherMajor(h.Type); known != "" {
		return h, Permanent(fmt.Errorf("%s knows %s but not %s", i.Service, known, h.Type))
	}
	return h, nil
}

func (i *Inbox) otherMajor(eventType string) (known string) {
	name := withoutMajor(eventType)
	for known := range i.reactions {
		if withoutMajor(known) == name {
			return known
		}
	}
	return ""
}

// withoutMajor cuts the ".v1" off a type.
func withoutMajor(eventType string) string {
	if dot := strings.LastIndex(eventType, ".v"); dot >= 0 {
		return eventType[:dot]
	}
	return eventType
}

// handle takes events in together: all have their effect, or none.
func (i *Inbox) handle(ctx context.Context, hs []heard) error {
	var fresh []heard
	err := i.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if fresh, err = i.record(ctx, tx, hs); err != nil {
			return err
		}
		return i.react(ctx, tx, fresh)
	})
	if err != nil {
		return err
	}
	i.metrics.handled(fresh, i.Now())
	i.metrics.duplicates.Add(float64(len(hs) - len(fresh)))
	return nil
}

// record notes the events as handled and gives those that were not before. The
// rows go in sorted, so that two replicas with the same events can not deadlock.
func (i *Inbox) record(ctx context.Context, tx sqldb.Tx, hs []heard) ([]heard, error) {
	now := sqldb.Micros(i.Now())
	rows := make([][]any, len(hs))
	for n, h := range hs {
		rows[n] = []any{h.ID, i.Service, now}
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
	var order []*Reaction
	received := map[*Reaction][]any{}
	for _, h := range hs {
		if received[h.reaction] == nil {
			order = append(order, h.reaction)
		}
		received[h.reaction] = append(received[h.reaction], h.received)
	}
	for _, r := range order {
		start := i.Now()
		if err := r.react(ctx, tx, received[r]); err != nil {
			return fmt.Errorf("react to %s: %w", r.Type, err)
		}
		i.metrics.took(r.Type, i.Now().Sub(start))
	}
	return nil
}

// handleSingly takes each event in by itself and parks those that fail even so.
func (i *Inbox) handleSingly(ctx context.Context, hs []heard) error {
	for n := range hs {
		err := i.handle(ctx, hs[n:n+1])
		if err == nil {
			continue
		}
		if i.databaseGone(ctx) {
			return err
		}
		if err := i.park(ctx, failure{heard: hs[n], attempts: 1, err: err}); err != nil {
			return err
		}
	}
	return nil
}

// databaseGone tells a failure that any event would have had from an event's own.
func (i *Inbox) databaseGone(ctx context.Context) bool {
	return ctx.Err() != nil || i.DB.Ping(ctx) != nil
}
