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
	"context"
	"embed"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// Migrations make the outbox table; versions 101 to 199.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Config of an Outbox. All fields are needed.
type Config struct {
	Service   string // the source of its events
	DB        sqldb.DB
	Publisher bus.Publisher
	Now       func() time.Time
	NewID     func() string
}

// Outbox says what a service has to say.
type Outbox struct{}

// New makes an outbox on c.DB.
func New(c Config) *Outbox { panic("todo") }

// Add says facts, if and when tx commits. The cause is the event whose
// reaction ctx belongs to, if any.
func (o *Outbox) Add(ctx context.Context, tx sqldb.Tx, facts ...event.Fact) error { panic("todo") }

// AddDrafts says facts with a cause each, in one statement.
func (o *Outbox) AddDrafts(ctx context.Context, tx sqldb.Tx, drafts ...event.Draft) error {
	panic("todo")
}

// Step relays one batch and says how many messages the bus took.
func (o *Outbox) Step(ctx context.Context) (int, error) { panic("todo") }

// Relay is Step as a worker, woken by Add's commit.
func (o *Outbox) Relay() worker.Worker { panic("todo") }
