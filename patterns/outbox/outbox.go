package outbox

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Migrations create the table outbox; versions 101 to 199.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config configures an Outbox. All fields but Topology, Schemas, Unconsumed, Journal and Log are required.
type Config struct {
	Service   string // the source of its events
	DB        sqldb.DB
	Topology  bus.Topology // the types that can be published; nil: all
	Schemas   string       // the URI of the folder of the JSON Schemas of payloads; empty: the events name none
	Publisher bus.Publisher
	Now       func() time.Time
	NewID     func() string
	// Unconsumed is whether types without consumers in the topology are published too.
	Unconsumed bool
	// Journal records the events that are committed; nil: none are recorded.
	Journal *journal.Recorder
	// Log makes the relay keep what it has published, for consumers outside; see package
	// eventfeed.
	Log bool
}

// Outbox stores the events of a service and publishes them.
type Outbox struct {
	service   string
	db        sqldb.DB
	topology  bus.Topology
	schemas   string
	publisher bus.Publisher
	now       func() time.Time
	newID     func() string
	// unconsumed is whether types without consumers are published too.
	unconsumed bool
	logs       bool
	journal    *journal.Recorder
	committed  worker.Notifier // notified when events were committed
	rows       int             // how many rows the next batch has, at most
	metrics    metrics
}

// New returns an outbox on c.DB.
func New(c Config) *Outbox {
	return &Outbox{
		service: c.Service, db: c.DB, topology: c.Topology, schemas: c.Schemas, publisher: c.Publisher, now: c.Now, newID: c.NewID,
		unconsumed: c.Unconsumed || c.Topology == nil, logs: c.Log, journal: c.Journal,
		committed: worker.NewNotifier(), rows: fewestRows, metrics: newMetrics(),
	}
}

// Add publishes events with these payloads if and when tx commits. Their cause is
// the event whose handler ctx belongs to, if any. It fails if the topology does not list
// the type of one: the bus would reject such an event each time.
func (o *Outbox) Add(ctx context.Context, tx sqldb.Tx, payloads ...event.Payload) error {
	cause := event.CauseFrom(ctx)
	pending := make([]event.Pending, len(payloads))
	for i, payload := range payloads {
		pending[i] = event.Pending{Payload: payload, Cause: cause}
	}
	return o.AddPending(ctx, tx, pending...)
}

// AddPending is like Add for events that have a cause each. It writes a row for all of
// them, or a few if they are many or large, and none for events that no service consumes.
func (o *Outbox) AddPending(ctx context.Context, tx sqldb.Tx, pending ...event.Pending) error {
	all := pending
	if pending = o.withConsumers(all); len(pending) < len(all) {
		if err := o.recordUnpublished(ctx, tx, all); err != nil {
			return err
		}
	}
	if len(pending) == 0 {
		return nil
	}
	now, trace := o.now(), telemetry.Traceparent(ctx)
	var recorded []event.Envelope
	messages := make([]bus.Message, len(pending))
	for i, p := range pending {
		e, body, err := o.encodeEnvelope(p, now, trace)
		if err != nil {
			return err
		}
		messages[i] = bus.Message{ID: e.ID, Type: e.Type, Body: body}
		if o.keeps(e) {
			recorded = append(recorded, e)
		}
	}
	o.record(tx, recorded)
	return o.insert(ctx, tx, messages)
}

// insert writes a row for all of the events, or a few if they are many or large.
func (o *Outbox) insert(ctx context.Context, tx sqldb.Tx, messages []bus.Message) error {
	now := o.now()
	var rows [][]any
	for _, some := range pack(messages) {
		var retryAt int64
		if len(some) > 1 {
			retryAt = untilSplit
		}
		rows = append(rows, []any{some[0].ID, some[0].Type, join(some), sqldb.Micros(now), len(some), retryAt})
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO outbox (event_id, type, body, created_at, events, retry_at)", rows, "", nil); err != nil {
		return fmt.Errorf("add %d events to the outbox: %w", len(messages), err)
	}
	outboxWritten.Hit()
	tx.OnCommit(o.wake)
	return nil
}

// withConsumers returns the events that are published.
func (o *Outbox) withConsumers(pending []event.Pending) []event.Pending {
	if o.unconsumed || !slices.ContainsFunc(pending, o.isUnconsumed) {
		return pending
	}
	return slices.DeleteFunc(slices.Clone(pending), o.isUnconsumed)
}

// isUnconsumed reports whether the topology has no consumer for an event.
func (o *Outbox) isUnconsumed(p event.Pending) bool {
	consumers, known := o.topology[p.Payload.EventType()]
	return known && len(consumers) == 0
}

// Delay returns how long the oldest event has waited to be published; 0 if none waits.
// It leaves out events that the bus has rejected: they do not hold up others.
func (o *Outbox) Delay(ctx context.Context) (time.Duration, error) {
	var oldest int64
	err := o.db.QueryRow(ctx, `SELECT COALESCE(min(created_at), 0)
		FROM (SELECT created_at FROM outbox WHERE attempts = 0 ORDER BY event_id LIMIT 1) AS oldest`).Scan(&oldest)
	if err != nil {
		return 0, fmt.Errorf("read the oldest event of the outbox: %w", err)
	}
	if oldest == 0 {
		return 0, nil
	}
	return max(0, o.now().Sub(sqldb.Time(oldest))), nil
}

// encodeEnvelope returns the envelope of a pending event and its encoding. trace is
// the trace of the context; if it is empty, the event continues its cause's trace.
func (o *Outbox) encodeEnvelope(p event.Pending, now time.Time, trace string) (event.Envelope, []byte, error) {
	e, err := o.envelope(p, now, trace)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	body, err := event.Encode(e)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	if len(body) > event.MaxSize {
		return event.Envelope{}, nil, fmt.Errorf("%s has %d bytes, an event may have at most %d", e.Type, len(body), event.MaxSize)
	}
	return e, body, nil
}

// envelope returns the envelope of a pending event.
func (o *Outbox) envelope(p event.Pending, now time.Time, trace string) (event.Envelope, error) {
	if err := o.requireType(p.Payload.EventType()); err != nil {
		return event.Envelope{}, err
	}
	trace = cmp.Or(p.Traceparent, trace)
	id := p.ID
	if id == "" {
		id = o.newID()
	}
	e, err := event.New(id, o.service, now, p.Payload)
	if err != nil {
		return event.Envelope{}, err
	}
	e.Traceparent, e.Recipient = trace, p.Recipient
	if o.schemas != "" {
		e.DataSchema = o.schemas + "/" + e.Type + ".json"
	}
	if p.Cause != nil {
		e.CausationID = p.Cause.ID
		e.Traceparent = cmp.Or(trace, p.Cause.Traceparent)
	}
	return e, nil
}

// requireType returns an error if the topology does not list a type.
func (o *Outbox) requireType(eventType string) error {
	if _, known := o.topology[eventType]; !known && o.topology != nil {
		return fmt.Errorf("%s cannot publish %q: add it to events/topology.go: %w", o.service, eventType, bus.ErrUnknownType)
	}
	return nil
}

// wake wakes the relay after a commit.
func (o *Outbox) wake() {
	outboxCommitted.Hit()
	o.committed.Notify()
}
