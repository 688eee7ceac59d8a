package simulation

import (
	"context"
	"fmt"
	"slices"
	"testing/fstest"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
)

// countingConsumer returns a service that counts the events it consumes, without regard
// to duplicates. Only the inbox keeps its numbers right, where the idempotent
// effects of the real services would hide a second delivery.
func countingConsumer(topology bus.Topology) app.Service {
	return app.Service{
		Name: "counter", Topology: topology,
		Migrations: fstest.MapFS{"migrations/01001_counts.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE counts (type TEXT PRIMARY KEY, n BIGINT NOT NULL);\n-- +goose Down\nDROP TABLE counts;\n")}},
		Build: func(app.Env) (app.Components, error) {
			return app.Components{Handlers: []inbox.Handler{
				count[events.OrderCreated](), count[events.OrderPaid](), count[events.OrderCancelled](), count[events.PaymentRefunded](),
			}}, nil
		},
	}
}

// count returns the handler of one event type.
func count[E event.Payload]() inbox.Handler {
	return inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[E]) error {
		_, err := tx.Exec(ctx, `INSERT INTO counts (type, n) VALUES ($1, 1)
			ON CONFLICT (type) DO UPDATE SET n = counts.n + 1`, r.Envelope.Type)
		return err
	})
}

// countedEvents are the events that it consumes.
var countedEvents = []event.Payload{events.OrderCreated{}, events.OrderPaid{}, events.OrderCancelled{}, events.PaymentRefunded{}}

// topologyWithCounter returns the system's topology with the counting consumer in it.
// Consumers that are not simulated are left out.
func topologyWithCounter() bus.Topology {
	topology := bus.Topology{}
	for eventType, consumers := range events.Topology {
		topology[eventType] = slices.DeleteFunc(slices.Clone(consumers), func(name string) bool {
			return !slices.ContainsFunc(simulated, func(s app.Service) bool { return s.Name == name })
		})
	}
	for _, payload := range append(slices.Clip(countedEvents), events.SessionRevoked{}, events.SessionsRevoked{}) { // as every service with a database must
		topology[payload.EventType()] = append(slices.Clip(topology[payload.EventType()]), "counter")
	}
	return topology
}

// checkCounts checks that the counting consumer counted every event once.
func (r *run) checkCounts(ctx context.Context) error {
	published := map[string]int64{}
	for _, p := range r.checker.journal {
		published[p.Type]++
	}
	for _, payload := range countedEvents {
		var n int64
		err := r.node("counter").store.QueryRow(ctx, "SELECT coalesce(sum(n), 0) FROM counts WHERE type = $1", payload.EventType()).Scan(&n)
		if err != nil {
			return err
		}
		if n != published[payload.EventType()] {
			return fmt.Errorf("%s was published %d times and took effect %d times", payload.EventType(), published[payload.EventType()], n)
		}
	}
	return nil
}
