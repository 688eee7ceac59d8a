package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing/fstest"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
)

// tally is a service that is as naive as can be: it counts what it hears, with
// no thought of duplicates. The inbox alone stands between it and a wrong number,
// where the effects of the real services would hide a second delivery.
func tally(topology bus.Topology) app.Service {
	return app.Service{
		Name: "tally", Topology: topology,
		Migrations: fstest.MapFS{"migrations/01001_tally.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE tally (type TEXT PRIMARY KEY, n BIGINT NOT NULL);\n-- +goose Down\nDROP TABLE tally;\n")}},
		Build: func(app.Env) (app.Components, error) {
			return app.Components{Handlers: []inbox.Handler{
				counts[events.OrderCreated](), counts[events.OrderPaid](), counts[events.OrderCancelled](), counts[events.PaymentRefunded](),
			}}, nil
		},
	}
}

func counts[E event.Payload]() inbox.Handler {
	return inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[E]) error {
		_, err := tx.Exec(ctx, `INSERT INTO tally (type, n) VALUES ($1, 1)
			ON CONFLICT (type) DO UPDATE SET n = tally.n + 1`, r.Envelope.Type)
		return err
	})
}

// heardByTally is what the tally hears.
var heardByTally = []event.Payload{events.OrderCreated{}, events.OrderPaid{}, events.OrderCancelled{}, events.PaymentRefunded{}}

// withTally is the system's topology with the tally in it.
func withTally() bus.Topology {
	topology := bus.Topology(maps.Clone(events.Topology))
	for _, f := range append(slices.Clip(heardByTally), events.SessionRevoked{}) { // as every service with a database must
		topology[f.EventType()] = append(slices.Clip(topology[f.EventType()]), "tally")
	}
	return topology
}

// checkTally demands that it counted everything once.
func (w *world) checkTally(ctx context.Context) error {
	said := map[string]int64{}
	for _, f := range w.witness.journal {
		said[f.Type]++
	}
	for _, f := range heardByTally {
		var n int64
		err := w.node("tally").store.QueryRow(ctx, "SELECT coalesce(sum(n), 0) FROM tally WHERE type = $1", f.EventType()).Scan(&n)
		if err != nil {
			return err
		}
		if n != said[f.EventType()] {
			return fmt.Errorf("%s was said %d times and took effect %d times", f.EventType(), said[f.EventType()], n)
		}
	}
	return nil
}
