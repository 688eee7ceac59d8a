package patterns_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
)

type orderShipped struct {
	Order string `json:"order"`
}

func (orderShipped) EventType() string       { return "order.shipped.v1" }
func (o orderShipped) CorrelationID() string { return o.Order }

// The shop publishes an event in the transaction that ships an order; billing
// consumes it and writes an invoice. A real service runs the loops below with
// worker.Run and Subscribe; here each is one call of Step.
func Example_outboxAndInbox() {
	ctx := context.Background()
	shop := openMemory(ctx, outbox.Migrations)
	billing := openMemory(ctx, inbox.Migrations, local.Migrations) // the local bus keeps a queue with its consumer
	b := local.New(bus.Topology{"order.shipped.v1": {"billing"}}, map[string]sqldb.DB{"billing": billing}, slog.Default())

	events := outbox.New(outbox.Config{Service: "shop", DB: shop, Publisher: b, Now: time.Now, NewID: uuid.NewString})
	invoices := inbox.New(inbox.Config{
		Service: "billing", DB: billing, Now: time.Now, Log: slog.Default(),
		Handlers: []inbox.Handler{inbox.Handle(func(_ context.Context, _ sqldb.Tx, r inbox.Received[orderShipped]) error {
			fmt.Printf("invoice for order %s, because of %s\n", r.Payload.Order, r.Envelope.Type)
			return nil // what it writes with its transaction commits together with the id of the event
		})},
	})

	// The state of the order and the event commit together, or not at all.
	must(shop.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return events.Add(ctx, tx, orderShipped{Order: "1001"})
	}))

	published, err := events.Step(ctx) // the relay publishes what is in the outbox
	must(err)
	fmt.Println("published:", published)

	// The batch arrives twice, as it would after a lost acknowledgement. The
	// inbox recognizes the second delivery.
	consumed, err := b.Step(ctx, "billing", func(ctx context.Context, batch []bus.Delivery) error {
		must(invoices.Consume(ctx, batch))
		return invoices.Consume(ctx, batch)
	})
	must(err)
	fmt.Println("consumed:", consumed)

	// Output:
	// published: 1
	// invoice for order 1001, because of order.shipped.v1
	// consumed: 1
}

func openMemory(ctx context.Context, migrations ...fs.FS) sqldb.DB {
	db, err := sqldb.Open(ctx, "sqlite::memory:", sqldb.Options{})
	must(err)
	must(sqldb.Migrate(ctx, db, migrations...))
	return db
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
