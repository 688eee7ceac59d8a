package simulation

import (
	"context"
	"fmt"
	"slices"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
)

// change is what a committed transaction did to one row of a service's database.
// Triggers record it, so that after each step only what the step touched has to be
// checked, and nothing that it did is missed.
type change struct {
	n                             int64
	what, id, before, after, more string
}

// trigger is an SQL trigger that records changes.
type trigger struct {
	what  string // kind of change
	on    string // "INSERT ON orders"
	id    string // SQL of the other columns
	from  string
	to    string
	extra string
}

// commonTriggers are those of every service.
var commonTriggers = []trigger{
	{"published", "INSERT ON outbox", "NEW.event_id", "''", "NEW.type", "NEW.body"},
	{"relayed", "DELETE ON outbox", "OLD.event_id", "''", "OLD.type", "OLD.body"},
	{"handled", "INSERT ON inbox", "NEW.event_id", "''", "''", "''"},
	{"handled", "UPDATE ON inbox", "NEW.event_id", "''", "''", "''"},
	{"seen", "INSERT ON sim_seen", "NEW.event_id", "''", "''", "''"},
	{"parked", "INSERT ON parked", "NEW.event_id", "''", "NEW.state", "NEW.last_error"},
	{"parked", "UPDATE OF state ON parked", "NEW.event_id", "OLD.state", "NEW.state", "NEW.last_error"},
	{"unparked", "DELETE ON parked", "OLD.event_id", "OLD.state", "''", "''"},
}

// serviceTriggers is what is traced in one service beside that.
var serviceTriggers = map[string][]trigger{
	"orders": {
		{"order", "INSERT ON orders", "NEW.id", "''", "NEW.status", "NEW.user_id || ' ' || NEW.deadline_at"},
		{"order written", "UPDATE ON orders", "NEW.id", "''", "''", "''"},
		{"order", "UPDATE OF status ON orders", "NEW.id", "OLD.status", "NEW.status", "NEW.user_id || ' ' || NEW.deadline_at"},
	},
	"inventory": {
		{"reservation", "INSERT ON reservations", "NEW.order_id", "''", "NEW.state", "NEW.lines"},
		{"reservation", "UPDATE OF state ON reservations", "NEW.order_id", "OLD.state", "NEW.state", "NEW.lines"},
		{"stock", "INSERT ON stock", "NEW.sku", "''", levels, "''"},
		{"stock", "UPDATE ON stock", "NEW.sku", "''", levels, "''"},
	},
	"payments": {
		{"payment", "INSERT ON payments", "NEW.order_id", "''", "NEW.state", "NEW.id || ' ' || NEW.amount"},
		{"payment", "UPDATE ON payments", "NEW.order_id", "OLD.state", "NEW.state", "NEW.id || ' ' || NEW.amount"},
		{"ledger", "INSERT ON provider_ledger", "NEW.charge", "NEW.denied", "NEW.kind", "NEW.held || ' ' || NEW.paid"},
	},
}

const levels = "NEW.stocked || ' ' || NEW.available || ' ' || NEW.held || ' ' || NEW.committed"

// createTriggers creates the triggers in a service's database.
func createTriggers(ctx context.Context, db sqldb.DB, service string) error {
	statements := []string{
		`CREATE TABLE sim_changes (n INTEGER PRIMARY KEY, what TEXT NOT NULL, id TEXT NOT NULL,
		before TEXT NOT NULL, after TEXT NOT NULL, more TEXT NOT NULL)`,
		"CREATE TABLE sim_seen (event_id TEXT PRIMARY KEY)",
	}
	for i, t := range slices.Concat(commonTriggers, serviceTriggers[service]) {
		statements = append(statements, fmt.Sprintf(`CREATE TRIGGER sim_%d AFTER %s BEGIN
			INSERT INTO sim_changes (what, id, before, after, more) VALUES ('%s', %s, %s, %s, %s); END`,
			i, t.on, t.what, t.id, t.from, t.to, t.extra))
	}
	for _, s := range statements {
		if _, err := db.Exec(ctx, s); err != nil {
			return fmt.Errorf("create the triggers of %s: %w", service, err)
		}
	}
	return nil
}

// recordSeen records the first time that an event was handled which has no row in inbox,
// because its handler is idempotent.
func recordSeen(ctx context.Context, tx sqldb.Tx, events []event.Envelope) error {
	for _, e := range events {
		_, err := tx.Exec(ctx, `INSERT INTO sim_seen (event_id) SELECT $1
			WHERE NOT EXISTS (SELECT 1 FROM inbox WHERE event_id = $1) ON CONFLICT DO NOTHING`, e.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// changes returns what was committed after change number n.
func changes(ctx context.Context, db sqldb.DB, n int64) ([]change, error) {
	return sqldb.All(ctx, db, func(r sqldb.Row) (row change, err error) {
		err = r.Scan(&row.n, &row.what, &row.id, &row.before, &row.after, &row.more)
		return row, err
	}, "SELECT n, what, id, before, after, more FROM sim_changes WHERE n > $1 ORDER BY n", n)
}
