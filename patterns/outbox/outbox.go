package outbox

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Migrations create the table outbox; versions 101 to 199.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// maxBody is the largest size of an encoded event, in bytes. Every bus accepts a
// message of this size, so that none is rejected for its size alone.
const maxBody = 1 << 20

// Config configures an Outbox. All fields are required.
type Config struct {
	Service   string // the source of its events
	DB        sqldb.DB
	Publisher bus.Publisher
	Now       func() time.Time
	NewID     func() string
}

// Outbox stores the events of a service and publishes them.
type Outbox struct {
	service   string
	db        sqldb.DB
	publisher bus.Publisher
	now       func() time.Time
	newID     func() string
	committed worker.Notifier // notified when events were committed
	metrics   metrics
}

// New returns an outbox on c.DB.
func New(c Config) *Outbox {
	return &Outbox{
		service: c.Service, db: c.DB, publisher: c.Publisher, now: c.Now, newID: c.NewID,
		committed: worker.NewNotifier(), metrics: newMetrics(),
	}
}

// Add publishes events with these payloads if and when tx commits. Their cause is
// the event whose handler ctx belongs to, if any.
func (o *Outbox) Add(ctx context.Context, tx sqldb.Tx, payloads ...event.Payload) error {
	cause := event.CauseFrom(ctx)
	pending := make([]event.Pending, len(payloads))
	for i, payload := range payloads {
		pending[i] = event.Pending{Payload: payload, Cause: cause}
	}
	return o.AddPending(ctx, tx, pending...)
}

// AddPending is like Add for events that have a cause each. It writes all of them
// in one statement.
func (o *Outbox) AddPending(ctx context.Context, tx sqldb.Tx, pending ...event.Pending) error {
	if len(pending) == 0 {
		return nil
	}
	now, trace := o.now(), telemetry.Traceparent(ctx)
	rows := make([][]any, len(pending))
	for i, p := range pending {
		e, body, err := o.encodeEnvelope(p, now, trace)
		if err != nil {
			return err
		}
		rows[i] = []any{e.ID, e.Type, string(body), sqldb.Micros(now)}
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO outbox (event_id, type, body, created_at)", rows, "", nil); err != nil {
		return fmt.Errorf("add %d events to the outbox: %w", len(pending), err)
	}
	outboxWritten.Hit()
	tx.OnCommit(o.wake)
	return nil
}

// encodeEnvelope returns the envelope of a pending event and its encoding. trace is
// the trace of the context; if it is empty, the event continues its cause's trace.
func (o *Outbox) encodeEnvelope(p event.Pending, now time.Time, trace string) (event.Envelope, []byte, error) {
	id := p.ID
	if id == "" {
		id = o.newID()
	}
	e, err := event.New(id, o.service, now, p.Payload)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	e.Traceparent = trace
	if p.Cause != nil {
		e.CausationID = p.Cause.ID
		e.Traceparent = cmp.Or(trace, p.Cause.Traceparent)
	}
	body, err := event.Encode(e)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	if len(body) > maxBody {
		return event.Envelope{}, nil, fmt.Errorf("%s has %d bytes, an event may have at most %d", e.Type, len(body), maxBody)
	}
	return e, body, nil
}

// wake wakes the relay after a commit.
func (o *Outbox) wake() {
	outboxCommitted.Hit()
	o.committed.Notify()
}
