package republish

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"troupe/patterns/event"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// Migrations create the tables; version 110.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Source is data that other services keep a copy of.
type Source struct {
	Name  string   // "products"
	Types []string // of the events that announce it
	// Page returns events for the next rows after a key, at most limit of them, and the key
	// of the last row; no events if there are no more rows.
	Page func(ctx context.Context, q sqldb.Querier, after string, limit int) (payloads []event.Payload, last string, err error)
}

// Config configures a Publisher. All fields are required.
type Config struct {
	DB      sqldb.DB
	Outbox  *outbox.Outbox
	Sources []Source
	Rows    int // the most rows in a second
	Now     func() time.Time
	// Consumers returns the services that consume an event.
	Consumers func(eventType string) []string
}

// Publisher publishes again what a service owns.
type Publisher struct{ Config }

// State is how far a republication has come.
type State struct {
	Projection string         `json:"projection"`
	Consumer   string         `json:"consumer,omitempty" doc:"The one consumer that it is for; every consumer if there is none"`
	Published  int64          `json:"published" doc:"Events that were published"`
	Started    timestamp.Time `json:"started"`
	Finished   timestamp.Time `json:"finished,omitzero" doc:"Missing while it goes on"`
}

// maxDelay is how far the outbox may be behind while pages are added to it.
const maxDelay = 2 * time.Second

// Worker returns the worker that publishes the pages.
func (p *Publisher) Worker() worker.Worker {
	return worker.Worker{Name: "republish", Interval: time.Second, BatchSize: 1 << 30, Step: p.Step}
}

// source returns the source with a name. Its error is for the caller of an operation.
func (p *Publisher) source(name string) (Source, error) {
	var names []string
	for _, s := range p.Sources {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Source{}, fault.New(fault.NotFound, "projection_unknown", "this service does not publish %q again; it can publish %s", name, strings.Join(names, ", "))
}

// Owns reports whether the service has a source with this name.
func (p *Publisher) Owns(name string) bool {
	return slices.ContainsFunc(p.Sources, func(s Source) bool { return s.Name == name })
}

// Start starts a republication to one consumer, or to all if consumer is empty, or lets
// one that is in progress go on.
func (p *Publisher) Start(ctx context.Context, tx sqldb.Tx, projection, consumer string) (State, error) {
	return p.start(ctx, tx, projection, consumer, false)
}

// Requested is Start for a consumer that has lost its copy: a republication that is in
// progress starts over when it has finished.
func (p *Publisher) Requested(ctx context.Context, tx sqldb.Tx, projection, consumer string) error {
	_, err := p.start(ctx, tx, projection, consumer, true)
	return err
}

func (p *Publisher) start(ctx context.Context, tx sqldb.Tx, projection, consumer string, again bool) (State, error) {
	source, err := p.source(projection)
	if err != nil {
		return State{}, err
	}
	if err := p.checkConsumer(source, consumer); err != nil {
		return State{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO republications (projection, consumer, position, published, started_at, finished_at, again)
		VALUES ($1, $2, '', 0, $3, NULL, FALSE)
		ON CONFLICT (projection, consumer) DO UPDATE SET
			position = CASE WHEN republications.finished_at IS NULL THEN republications.position ELSE '' END,
			published = CASE WHEN republications.finished_at IS NULL THEN republications.published ELSE 0 END,
			started_at = CASE WHEN republications.finished_at IS NULL THEN republications.started_at ELSE excluded.started_at END,
			again = republications.finished_at IS NULL AND (republications.again OR $4), finished_at = NULL`,
		projection, consumer, sqldb.Micros(p.Now()), again)
	if err != nil {
		return State{}, fmt.Errorf("start to republish %s: %w", projection, err)
	}
	return scanState(tx.QueryRow(ctx, selectState+" WHERE projection = $1 AND consumer = $2", projection, consumer))
}

func (p *Publisher) checkConsumer(source Source, consumer string) error {
	if consumer == "" {
		return nil
	}
	var all []string
	for _, t := range source.Types {
		all = append(all, p.Consumers(t)...)
	}
	slices.Sort(all)
	if all = slices.Compact(all); !slices.Contains(all, consumer) {
		return fault.New(fault.Invalid, "consumer_unknown", "%q does not consume %s; give one of %s", consumer, source.Name, strings.Join(all, ", "))
	}
	return nil
}

const selectState = "SELECT projection, consumer, published, started_at, COALESCE(finished_at, 0) FROM republications"

// States returns the republications of the service, in progress or finished.
func (p *Publisher) States(ctx context.Context) ([]State, error) {
	states, err := sqldb.All(ctx, p.DB, scanState, selectState+" ORDER BY projection, consumer")
	if err != nil {
		return nil, fmt.Errorf("read the republications: %w", err)
	}
	return states, nil
}

func scanState(r sqldb.Row) (s State, err error) {
	var started, finished int64
	err = r.Scan(&s.Projection, &s.Consumer, &s.Published, &started, &finished)
	s.Started = timestamp.Of(sqldb.Time(started))
	if finished != 0 {
		s.Finished = timestamp.Of(sqldb.Time(finished))
	}
	return s, err
}

// Step publishes the next page of the oldest republication in progress, unless the outbox
// is behind. It returns the number of events.
func (p *Publisher) Step(ctx context.Context) (published int, err error) {
	delay, err := p.Outbox.Delay(ctx)
	if err != nil || delay > maxDelay {
		return 0, err
	}
	err = p.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var projection, consumer, position string
		err := tx.QueryRow(ctx, `SELECT projection, consumer, position FROM republications WHERE finished_at IS NULL
			ORDER BY started_at, projection, consumer LIMIT 1`+tx.SkipLocked()).Scan(&projection, &consumer, &position)
		if errors.Is(err, sqldb.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		source, err := p.source(projection)
		if err != nil {
			return p.finish(ctx, tx, projection, consumer) // of a version that had it
		}
		published, err = p.publish(ctx, tx, source, consumer, position)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("republish: %w", err)
	}
	return published, nil
}

func (p *Publisher) publish(ctx context.Context, tx sqldb.Tx, source Source, consumer, position string) (int, error) {
	payloads, last, err := source.Page(ctx, tx, position, p.Rows)
	if err != nil {
		return 0, err
	}
	if len(payloads) == 0 {
		return 0, p.finish(ctx, tx, source.Name, consumer)
	}
	pending := make([]event.Pending, len(payloads))
	for i, payload := range payloads {
		pending[i] = event.Pending{Payload: payload, Recipient: consumer}
	}
	if err := p.Outbox.AddPending(ctx, tx, pending...); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, "UPDATE republications SET position = $1, published = published + $2 WHERE projection = $3 AND consumer = $4",
		last, len(payloads), source.Name, consumer)
	return len(payloads), err
}

// finish ends a republication, or starts it over if it was requested meanwhile.
func (p *Publisher) finish(ctx context.Context, tx sqldb.Tx, projection, consumer string) error {
	_, err := tx.Exec(ctx, `UPDATE republications SET finished_at = CASE WHEN again THEN NULL ELSE CAST($1 AS BIGINT) END,
		position = '', again = FALSE WHERE projection = $2 AND consumer = $3`,
		sqldb.Micros(p.Now()), projection, consumer)
	return err
}
