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
	"log/slog"
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

// Received is a fact as it was heard.
type Received[E event.Fact] struct {
	Event event.Event // the envelope
	Fact  E
}

// Because drafts a fact that follows from this one.
func (r Received[E]) Because(fact event.Fact) event.Draft {
	return event.Draft{Fact: fact, Cause: &r.Event}
}

// Reaction is what a service does when it hears one type of event.
type Reaction struct {
	Type string // the event type
}

// Option of a reaction.
type Option func(*Reaction)

// NeverGiveUp keeps a failing event on trial for ever instead of declaring it
// dead after the last try: for compensations.
func NeverGiveUp() Option { panic("todo") }

// On reacts to one event at a time. f's statements on tx commit together with
// the record that the event was handled.
func On[E event.Fact](f func(ctx context.Context, tx sqldb.Tx, r Received[E]) error, o ...Option) Reaction {
	panic("todo")
}

// OnBatch reacts to all events of one type in a batch at once, in the order they
// came, for reactions that are many: multi-row statements and pipelined
// batches cost a fraction. If it fails it is called again with one at a time.
func OnBatch[E event.Fact](f func(ctx context.Context, tx sqldb.Tx, rs []Received[E]) error, o ...Option) Reaction {
	panic("todo")
}

// Permanent marks an error that trying again can not mend: the event is dead at once.
func Permanent(err error) error { panic("todo") }

// Config of an Inbox. All fields are needed.
type Config struct {
	Service   string
	DB        sqldb.DB
	Reactions []Reaction
	Now       func() time.Time
	Log       *slog.Logger
}

// Inbox hears events for one service.
type Inbox struct{}

// New makes an inbox on c.DB.
func New(c Config) *Inbox { panic("todo") }

// HandleBatch takes deliveries in: each new one has its effect exactly once or
// is parked. An error means that nothing may be acknowledged. It is a
// bus.BatchHandler.
func (i *Inbox) HandleBatch(ctx context.Context, batch []bus.Delivery) error { panic("todo") }

// Step tries parked events that are due and says how many it tried.
func (i *Inbox) Step(ctx context.Context) (int, error) { panic("todo") }

// Retries is Step as a worker.
func (i *Inbox) Retries() worker.Worker { panic("todo") }

// Letter is a parked event: waiting for its next try, or dead.
type Letter struct {
	EventID     string    `json:"event_id"`
	Type        string    `json:"type"`
	State       string    `json:"state" enum:"retry,dead"`
	Attempts    int       `json:"attempts"`
	LastError   string    `json:"last_error"`
	FirstFailed time.Time `json:"first_failed"`
	NextTry     time.Time `json:"next_try,omitzero"`
	Body        string    `json:"body,omitempty" doc:"The event as it was received"`
}

// Letters lists parked events, oldest first, without bodies; state may be "retry", "dead" or "".
func (i *Inbox) Letters(ctx context.Context, state string, limit int) ([]Letter, error) {
	panic("todo")
}

// Letter shows one whole. Fails with fault.NotFound.
func (i *Inbox) Letter(ctx context.Context, eventID string) (Letter, error) { panic("todo") }

// Replay makes a parked event due now, with its tries counted afresh. It
// reaches only this service. Fails with fault.NotFound.
func (i *Inbox) Replay(ctx context.Context, eventID string) error { panic("todo") }
