package orders_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/orders"
)

// TestReplicasDecideEachOrderOnce lets three replicas consume the events about the same
// orders at the same time, each in its own sequence, while customers cancel some of the
// orders.
func TestReplicasDecideEachOrderOnce(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var ids []string
		var deliveries []bus.Delivery
		for range 60 {
			id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
			ids = append(ids, id)
			for _, payload := range []event.Payload{stockReserved(id), authorized(id), stockCommitted(id), captured(id)} {
				deliveries = append(deliveries, delivery(t, payload))
			}
		}
		cancelled := ids[:20] // by their customer

		work, ctx := errgroup.WithContext(t.Context())
		for seed := range uint64(3) {
			r := replica(t, h)
			shuffled := append([]bus.Delivery(nil), deliveries...)
			rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) {
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			})
			work.Go(func() error { return consumeAll(ctx, r, shuffled, 16) })
			work.Go(func() error { return stepRepeatedly(ctx, r, "decider") })
		}
		for _, id := range cancelled {
			ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200, "status", "cancelled")
		}
		require.NoError(t, work.Wait())

		h.Settle(t)
		for i, id := range ids {
			c, p, x := count(t, h, events.OrderConfirmed{OrderID: id}), count(t, h, events.OrderPaid{OrderID: id}), count(t, h, events.OrderCancelled{OrderID: id})
			if i < len(cancelled) {
				require.Equal(t, 1, x, "order %s cancelled", id)
				require.LessOrEqual(t, p, c)
				require.LessOrEqual(t, c, 1)
				ada.Get(t, "/orders/"+id).Want(t, 200, "status", "cancelled", "payment_state", "captured")
				continue
			}
			require.Equal(t, []int{1, 1, 0}, []int{c, p, x}, "order %s confirmed, paid, cancelled", id)
			ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed", "payment_state", "captured", "stock_state", "committed")
		}
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "0"))
}

// TestReplicasNeverDeadlock lets replicas consume batches about the same orders and products,
// each in its own sequence, while customers cancel and deadlines pass. A transaction of a
// deadlock would be run again.
func TestReplicasNeverDeadlock(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var ids []string
		var deliveries []bus.Delivery
		for n := range 100 {
			id := ada.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
			ids = append(ids, id)
			for _, payload := range []event.Payload{
				stockReserved(id), authorized(id), stockCommitted(id), captured(id),
				events.StockChanged{SKU: []string{"tea", "cup"}[n%2], Available: 5, Version: int64(n)},
				priceOf(tea, n), priceOf(cup, n),
			} {
				deliveries = append(deliveries, delivery(t, payload))
			}
		}
		db := &countingDB{DB: h.DB}
		work, ctx := errgroup.WithContext(t.Context())
		for seed := range uint64(6) {
			r := replicaOn(t, h, db)
			random := rand.New(rand.NewPCG(seed, 1))
			shuffled := append([]bus.Delivery(nil), deliveries...)
			work.Go(func() error {
				for range 8 {
					random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
					if err := consumeAll(ctx, r, shuffled, 100); err != nil {
						return err
					}
				}
				return nil
			})
			work.Go(func() error { return stepRepeatedly(ctx, r, "deadlines") })
		}
		for _, id := range ids[:30] {
			ada.Post(t, "/orders/"+id+"/cancel", nil).Want(t, 200)
		}
		require.NoError(t, work.Wait())
		require.Zero(t, db.repeated.Load(), "transactions were run again")
		h.Settle(t)
		for _, id := range ids[30:] {
			ada.Get(t, "/orders/"+id).Want(t, 200, "status", "confirmed", "payment_state", "captured", "stock_state", "committed")
		}
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "0"))
}

// priceOf returns a later version of a product.
func priceOf(p events.ProductChanged, version int) events.ProductChanged {
	p.Version += int64(version)
	return p
}

// countingDB counts how often it runs a transaction again.
type countingDB struct {
	sqldb.DB
	repeated atomic.Int64
}

func (c *countingDB) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	runs := int64(0)
	defer func() { c.repeated.Add(max(0, runs-1)) }()
	return c.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		runs++
		return fn(ctx, tx)
	})
}

// replica returns another instance of the service on the same database.
func replica(t *testing.T, h *servicetest.Harness) *app.Instance {
	t.Helper()
	return replicaOn(t, h, h.DB)
}

func replicaOn(t *testing.T, h *servicetest.Harness, db sqldb.DB) *app.Instance {
	t.Helper()
	i, err := app.NewInstance(orders.Service, app.Dependencies{
		Environ: map[string]string{}, Version: "test", DB: db, Publisher: unusedPublisher{}, Peers: map[string]string{},
		Transport: http.DefaultTransport, Now: h.Now, NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	return i
}

// unusedPublisher panics: the relay of the harness publishes the events of all replicas.
type unusedPublisher struct{}

func (unusedPublisher) Publish(context.Context, []bus.Message) []error {
	panic("a replica's relay was stepped")
}

func delivery(t *testing.T, payload event.Payload) bus.Delivery {
	t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(t, err)
	e := event.Envelope{
		ID: uuid.Must(uuid.NewV7()).String(), Source: "test", Type: payload.EventType(), Time: time.Unix(0, 0),
		CorrelationID: payload.CorrelationID(), Data: data,
	}
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

func consumeAll(ctx context.Context, i *app.Instance, deliveries []bus.Delivery, batch int) error {
	for len(deliveries) > 0 {
		n := min(len(deliveries), batch)
		if err := i.Inbox.Consume(ctx, deliveries[:n]); err != nil {
			return err
		}
		deliveries = deliveries[n:]
	}
	return nil
}

// stepRepeatedly steps a replica's worker 50 times. The harness does what is left over.
func stepRepeatedly(ctx context.Context, i *app.Instance, worker string) error {
	for _, w := range i.Workers {
		if w.Name != worker {
			continue
		}
		for range 50 {
			if _, err := w.Step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// count returns how often an event of this type was published about the same order.
func count[E event.Payload](t *testing.T, h *servicetest.Harness, about E) int {
	t.Helper()
	n := 0
	for _, e := range servicetest.Published[E](t, h) {
		if e.CorrelationID() == about.CorrelationID() {
			n++
		}
	}
	return n
}
