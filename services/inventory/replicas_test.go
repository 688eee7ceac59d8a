package inventory

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/inventory/internal/store"
)

// replica returns a service that shares its database with others, and its inbox.
func replica(t *testing.T, db sqldb.DB) (*service, *inbox.Inbox) {
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	s := &service{settings: settings{HoldExpiry: time.Minute}, Env: app.Env{
		DB: db, Now: time.Now, NewID: newID,
		Outbox: outbox.New(outbox.Config{Service: "inventory", DB: db, Now: time.Now, NewID: newID}),
		Audit:  audit.New(audit.Config{Service: "inventory", DB: db, Now: time.Now, NewID: newID, Log: slog.New(slog.DiscardHandler)}),
	}}
	return s, inbox.New(inbox.Config{
		Service: "inventory", DB: db, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Handlers: s.handlers(),
	})
}

func delivery(t *testing.T, payload event.Payload) bus.Delivery {
	t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(t, err)
	e := event.Envelope{ID: uuid.NewString(), Source: "orders", Type: payload.EventType(), Time: time.Now(), Data: data}
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

// TestReplicasNeverOversell lets four consumers work at the same time on orders for
// twice as much as is in stock, with events in any order and each event delivered
// to two of the consumers.
func TestReplicasNeverOversell(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		s, _ := replica(t, db)
		for _, sku := range []string{"a", "b", "c"} {
			_, _, err := s.offer(t.Context(), store.Product{SKU: sku, Name: sku, Price: money.Money{Amount: 1, Currency: "EUR"}, Active: true}, unconditional)
			require.NoError(t, err)
			_, err = s.adjust(t.Context(), adjustment{SKU: sku, Delta: 100})
			require.NoError(t, err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		var deliveries []bus.Delivery
		for i := range 200 {
			o := events.OrderCreated{OrderID: fmt.Sprint("o", i)}
			for _, sku := range random.Perm(3)[:1+random.IntN(3)] {
				o.Lines = append(o.Lines, events.OrderLine{SKU: string(rune('a' + sku)), Quantity: 1 + random.Int64N(3)})
			}
			deliveries = append(deliveries, delivery(t, o))
			switch i % 3 {
			case 0:
				deliveries = append(deliveries, delivery(t, events.OrderConfirmed{OrderID: o.OrderID}))
			case 1:
				deliveries = append(deliveries, delivery(t, events.OrderCancelled{OrderID: o.OrderID}))
			}
		}
		deliveries = append(deliveries, deliveries...)
		random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })

		var consumers errgroup.Group
		for i := range 4 {
			_, in := replica(t, db)
			part := deliveries[i*len(deliveries)/4 : (i+1)*len(deliveries)/4]
			consumers.Go(func() error {
				for len(part) > 0 {
					n := min(7, len(part))
					if err := in.Consume(t.Context(), part[:n]); err != nil {
						return err
					}
					part = part[n:]
				}
				return nil
			})
		}
		require.NoError(t, consumers.Wait())
		_, in := replica(t, db)
		parked, err := in.ParkedEvents(t.Context(), "", 1)
		require.NoError(t, err)
		require.Empty(t, parked, "replicas disturbed each other")
		requireStockMatchesReservations(t, db)
	}, app.Migrations(Service)...)
}

func requireStockMatchesReservations(t *testing.T, db sqldb.DB) {
	t.Helper()
	held, committed := map[string]int64{}, map[string]int64{}
	var ids []string
	for i := range 200 {
		ids = append(ids, fmt.Sprint("o", i))
	}
	reservations, err := store.Reservations(t.Context(), db, ids)
	require.NoError(t, err)
	for i, id := range ids {
		r := reservations[id]
		require.NotZero(t, r.Version, "%s has no reservation", id)
		if i%3 == 1 {
			require.EqualValues(t, "released", r.State)
		}
		for _, l := range r.Lines {
			switch r.State {
			case "held":
				held[l.SKU] += l.Quantity
			case "committed":
				committed[l.SKU] += l.Quantity
			}
		}
	}
	for _, sku := range []string{"a", "b", "c"} {
		var stocked, available, h, c int64
		require.NoError(t, db.QueryRow(t.Context(), "SELECT stocked, available, held, committed FROM stock WHERE sku = $1", sku).
			Scan(&stocked, &available, &h, &c))
		require.Equal(t, int64(100), stocked)
		require.Equal(t, stocked, available+h+c)
		require.GreaterOrEqual(t, available, int64(0))
		require.Equal(t, held[sku], h, sku)
		require.Equal(t, committed[sku], c, sku)
	}
}
