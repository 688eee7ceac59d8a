// Package patterns_test puts outbox, bus and inbox together and lets the process
// crash at every point where it can.
package patterns_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// There are two services. The shop publishes an event for each placed order; the
// warehouse consumes it and packs the order; the shop consumes that event and
// ships the order.

type (
	orderPlaced struct{ Order string }
	orderPacked struct{ Order string }
)

func (orderPlaced) EventType() string       { return "order.placed.v1" }
func (o orderPlaced) CorrelationID() string { return o.Order }
func (orderPacked) EventType() string       { return "order.packed.v1" }
func (o orderPacked) CorrelationID() string { return o.Order }

var topology = bus.Topology{"order.placed.v1": {"warehouse"}, "order.packed.v1": {"shop"}}

// system is what outlives the process: the databases.
type system struct {
	shop, warehouse sqldb.DB
	now             time.Time
	orders          int
}

// eachDatabase calls test with a system on each kind of database.
func eachDatabase(t *testing.T, test func(t *testing.T, s *system)) {
	t.Parallel()
	shops, warehouses := sqldbtest.URLs(t), sqldbtest.URLs(t)
	for kind := range shops {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := &system{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
			s.shop, s.warehouse = open(t, shops[kind]), open(t, warehouses[kind])
			test(t, s)
		})
	}
}

func open(t *testing.T, url string) sqldb.DB {
	t.Helper()
	db := sqldbtest.Open(t, url, sqldb.Options{}, outbox.Migrations, inbox.Migrations, local.Migrations)
	_, err := db.Exec(t.Context(), "CREATE TABLE effects (order_id TEXT NOT NULL, effect TEXT NOT NULL)")
	require.NoError(t, err)
	return db
}

// process is one run of the program. It crashes before an operation when no more
// operations are left.
type process struct {
	*system
	shop, warehouse sqldb.DB
	left            int
	steps           []func(context.Context) (int, error)
	shopOutbox      *outbox.Outbox
}

const unlimited = 1 << 30

func (s *system) start(operations int) *process {
	p := &process{system: s, left: operations}
	p.shop, p.warehouse = crashingDB{s.shop, p}, crashingDB{s.warehouse, p}
	b := local.New(topology, map[string]sqldb.DB{"shop": p.shop, "warehouse": p.warehouse}, slog.New(slog.DiscardHandler), local.Sequential())
	p.shopOutbox = p.outbox("shop", p.shop, b)
	warehouseOutbox := p.outbox("warehouse", p.warehouse, b)
	warehouse := p.inbox("warehouse", p.warehouse, inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[orderPlaced]) error {
		return errors.Join(record(ctx, tx, r.Payload.Order, "packed"), warehouseOutbox.Add(ctx, tx, orderPacked(r.Payload)))
	}))
	shop := p.inbox("shop", p.shop, inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[orderPacked]) error {
		return record(ctx, tx, r.Payload.Order, "shipped")
	}))
	p.steps = []func(context.Context) (int, error){
		p.shopOutbox.Step, warehouseOutbox.Step, warehouse.Step, shop.Step,
		func(ctx context.Context) (int, error) { return b.Step(ctx, "warehouse", warehouse.Consume) },
		func(ctx context.Context) (int, error) { return b.Step(ctx, "shop", shop.Consume) },
	}
	return p
}

// record writes an effect that must happen once.
func record(ctx context.Context, tx sqldb.Tx, order, effect string) error {
	_, err := tx.Exec(ctx, "INSERT INTO effects (order_id, effect) VALUES ($1, $2)", order, effect)
	return err
}

func (p *process) outbox(service string, db sqldb.DB, b bus.Publisher) *outbox.Outbox {
	return outbox.New(outbox.Config{Service: service, DB: db, Publisher: b, Now: p.clock, NewID: uuid.NewString})
}

func (p *process) inbox(service string, db sqldb.DB, h inbox.Handler) *inbox.Inbox {
	return inbox.New(inbox.Config{
		Service: service, DB: db, Handlers: []inbox.Handler{h}, Now: p.clock, Log: slog.New(slog.DiscardHandler),
	})
}

func (p *process) clock() time.Time { return p.now }

// place places n orders in one transaction of the shop. An order counts only if
// this transaction commits.
func (p *process) place(ctx context.Context, n int) error {
	return p.shop.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var payloads []event.Payload
		for range n {
			p.orders++
			order := fmt.Sprint("order ", p.orders)
			if err := record(ctx, tx, order, "placed"); err != nil {
				return err
			}
			payloads = append(payloads, orderPlaced{order})
		}
		return p.shopOutbox.Add(ctx, tx, payloads...)
	})
}

// settle calls the steps until nothing is left to do or the process crashes.
func (p *process) settle(ctx context.Context) error {
	for {
		did := 0
		for _, step := range p.steps {
			n, err := step(ctx)
			if err != nil {
				return err
			}
			did += n
		}
		if did == 0 {
			return nil
		}
	}
}

// requireEachShippedOnce requires that every order that was committed has all its
// effects once, and that no event is left anywhere.
func (s *system) requireEachShippedOnce(t *testing.T) {
	t.Helper()
	placed := s.ordersWith(t, s.shop, "placed")
	require.ElementsMatch(t, placed, s.ordersWith(t, s.warehouse, "packed"))
	require.ElementsMatch(t, placed, s.ordersWith(t, s.shop, "shipped"))
	for _, db := range []sqldb.DB{s.shop, s.warehouse} {
		for _, table := range []string{"outbox", "queue", "parked"} {
			var left int
			require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&left))
			require.Zero(t, left, table)
		}
	}
}

func (s *system) ordersWith(t *testing.T, db sqldb.DB, effect string) []string {
	t.Helper()
	orders, err := sqldb.All(t.Context(), db, func(r sqldb.Row) (order string, err error) { return order, r.Scan(&order) },
		"SELECT order_id FROM effects WHERE effect = $1", effect)
	require.NoError(t, err)
	return orders
}

func TestEveryOrderShipsOnceWhereverTheProcessCrashes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *system) {
		for operations := 0; ; operations++ {
			first := s.start(operations)
			err := first.place(t.Context(), 2)
			if err == nil {
				err = first.settle(t.Context())
			}
			require.NoError(t, s.start(unlimited).settle(t.Context()))
			s.requireEachShippedOnce(t)
			if err == nil {
				require.Greater(t, operations, 30, "it has crashed at every operation")
				return
			}
			require.ErrorIs(t, err, errCrashed)
		}
	})
}

func TestEveryOrderShipsOnceHoweverOftenTheProcessCrashes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *system) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 60 {
			p := s.start(random.IntN(150))
			if p.place(t.Context(), 1+random.IntN(3)) == nil {
				_ = p.settle(t.Context()) // crashed or not, the next process continues
			}
			s.now = s.now.Add(time.Minute)
		}
		require.NoError(t, s.start(unlimited).settle(t.Context()))
		s.requireEachShippedOnce(t)
	})
}
