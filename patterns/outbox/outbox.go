// Package outbox is the transactional outbox: what a service says is a row
// written in the same transaction as the state it tells of, and a relay takes
// the rows to the bus. Nothing uncommitted is ever said, and nothing committed
// is ever left unsaid, whatever crashes in between.
//
// The relay keeps no cursor: it selects what is there, publishes, and deletes
// what the bus has taken. A crash before the delete says it twice, and the
// inbox of the hearer drops the second.
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

// Migrations make the outbox table; versions 101 to 199.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// maxBody is the largest event, in bytes, that may be said: every bus takes it
// in one piece, so that none is ever refused for its size alone.
const maxBody = 1 << 20

// Config of an Outbox. All fields are needed.
type Config struct {
	Service   string // the source of its events
	DB        sqldb.DB
	Publisher bus.Publisher
	Now       func() time.Time
	NewID     func() string
}

// Outbox says what a service has to say.
type Outbox struct {
	service   string
	db        sqldb.DB
	publisher bus.Publisher
	now       func() time.Time
	newID     func() string
	committed worker.Notifier // rung when something was said
	metrics   metrics
}

// New makes an outbox on c.DB.
func New(c Config) *Outbox {
	return &Outbox{
		service: c.Service, db: c.DB, publisher: c.Publisher, now: c.Now, newID: c.NewID,
		committed: worker.NewNotifier(), metrics: newMetrics(),
	}
}

// Add says facts, if and when tx commits. The cause is the event whose
// reaction ctx belongs to, if any.
func (o *Outbox) Add(ctx context.Context, tx sqldb.Tx, facts ...event.Payload) error {
	cause := event.CauseFrom(ctx)
	drafts := make([]event.Pending, len(facts))
	for i, fact := range facts {
		drafts[i] = event.Pending{Payload: fact, Cause: cause}
	}
	return o.AddPending(ctx, tx, drafts...)
}

// AddPending says facts with a cause each, in one statement.
func (o *Outbox) AddPending(ctx context.Context, tx sqldb.Tx, drafts ...event.Pending) error {
	if len(drafts) == 0 {
		return nil
	}
	now, trace := o.now(), telemetry.Traceparent(ctx)
	rows := make([][]any, len(drafts))
	for i, d := range drafts {
		e, body, err := o.seal(d, now, trace)
		if err != nil {
			return err
		}
		rows[i] = []any{e.ID, e.Type, string(body), sqldb.Micros(now)}
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO outbox (event_id, type, body, created_at)", rows, "", nil); err != nil {
		return fmt.Errorf("add %d events to the outbox: %w", len(drafts), err)
	}
	outboxWritten.Hit()
	tx.OnCommit(o.wake)
	return nil
}

// seal puts a draft into its envelope. A fact that follows from another stays
// in that one's trace, unless ctx has one of its own.
func (o *Outbox) seal(d event.Pending, now time.Time, trace string) (event.Envelope, []byte, error) {
	id := d.ID
	if id == "" {
		id = o.newID()
	}
	e, err := event.New(id, o.service, now, d.Payload)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	e.Traceparent = trace
	if d.Cause != nil {
		e.CausationID = d.Cause.ID
		e.Traceparent = cmp.Or(trace, d.Cause.Traceparent)
	}
	body, err := event.Encode(e)
	if err != nil {
		return event.Envelope{}, nil, err
	}
	if len(body) > maxBody {
		return event.Envelope{}, nil, fmt.Errorf("%s has %d bytes, an event may have %d", e.Type, len(body), maxBody)
	}
	return e, body, nil
}

// wake has the relay look.
func (o *Outbox) wake() {
	outboxCommitted.Hit()
	o.committed.Notify()
}
