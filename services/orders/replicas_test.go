package orders_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
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
			work.Go(func() error { return consumeAll(ctx, r, shuffled) })
			work.Go(func() error { return decideRepeatedly(ctx, r) })
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
	})
}

// replica returns another instance of the service on the same database.
func replica(t *testing.T, h *servicetest.Harness) *app.Instance {
	t.Helper()
	i, err := app.NewInstance(orders.Service, app.Dependencies{
		Environ: map[string]string{}, Version: "test", DB: h.DB, Publisher: unusedPublisher{}, Peers: map[string]string{},
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

func consumeAll(ctx context.Context, i *app.Instance, deliveries []bus.Delivery) error {
	for len(deliveries) > 0 {
		n := min(len(deliveries), 16)
		if err := i.Inbox.Consume(ctx, deliveries[:n]); err != nil {
			return err
		}
		deliveries = deliveries[n:]
	}
	return nil
}

// decideRepeatedly steps a replica's decider 50 times. The harness decides what is left
// over.
func decideRepeatedly(ctx context.Context, i *app.Instance) error {
	for _, w := range i.Workers {
		if w.Name != "decider" {
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
