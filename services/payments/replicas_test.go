package payments

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

// world is what replicas share: the database and the time.
type world struct {
	db     sqldb.DB
	passed atomic.Int64
}

func (w *world) now() time.Time {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(w.passed.Load()))
}

type replica struct {
	*service
	inbox *inbox.Inbox
}

func (w *world) replica(t testing.TB) replica {
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := &service{
		db: w.db, now: w.now, newID: newID,
		outbox:   outbox.New(outbox.Config{Service: "payments", DB: w.db, Now: w.now, NewID: newID}),
		provider: &provider.Provider{DB: w.db, Now: w.now, After: func(_ time.Duration, f func()) { f() }, Log: log},
		mailbox:  newMailbox(), auditor: newAuditor(prometheus.NewRegistry()),
	}
	return replica{s, inbox.New(inbox.Config{
		Service: "payments", DB: w.db, Now: w.now, Log: log,
		Handlers: []inbox.Handler{
			inbox.HandleBatch(s.orderCreated), inbox.HandleBatch(s.orderConfirmed), inbox.HandleBatch(s.orderCancelled, inbox.NeverGiveUp()),
		},
	})}
}

func delivery(t testing.TB, fact event.Payload) bus.Delivery {
	t.Helper()
	data, err := json.Marshal(fact)
	require.NoError(t, err)
	e := event.Envelope{ID: uuid.NewString(), Source: "orders", Type: fact.EventType(), Time: time.Now(), Data: data}
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

// TestReplicasTakeAndGiveBackMoneyOnce has three replicas hear and call at once,
// with events in any order and each delivered to two of them.
func TestReplicasTakeAndGiveBackMoneyOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		const orders = 150
		w := &world{db: db}
		var deliveries []bus.Delivery
		total := events.Money{Amount: 700, Currency: "EUR"}
		methods := []string{"pm_card_visa", "pm_fake_timeout", "pm_fake_timeout_then_charged", "pm_card_visa"}
		for i := range orders {
			id := fmt.Sprint("o", i)
			deliveries = append(deliveries,
				delivery(t, events.OrderCreated{OrderID: id, UserID: "u", Total: total, PaymentMethod: methods[i%4]}),
				delivery(t, events.OrderConfirmed{OrderID: id, UserID: "u", Total: total}))
			if i%3 == 0 {
				deliveries = append(deliveries, delivery(t, events.OrderCancelled{OrderID: id, UserID: "u", Total: total}))
			}
		}
		deliveries = append(deliveries, deliveries...)
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })

		var replicas errgroup.Group
		for i := range 3 {
			r := w.replica(t)
			part := deliveries[i*len(deliveries)/3 : (i+1)*len(deliveries)/3]
			replicas.Go(func() error { return r.live(t, w, part) })
		}
		require.NoError(t, replicas.Wait())
		requireBooks(t, w, orders)
	}, app.Migrations(Service)...)
}

// TestASlowCallHoldsNobodyElseUp has a slow call's answer come only after those
// of others were recorded; it wakes the worker and is recorded then.
func TestASlowCallHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := (&world{db: db}).replica(t)
		var late []func()
		r.provider.After = func(_ time.Duration, f func()) { late = append(late, f) }
		require.NoError(t, r.inbox.Consume(t.Context(), []bus.Delivery{
			delivery(t, events.OrderCreated{OrderID: "slow", PaymentMethod: "pm_fake_slow"}),
			delivery(t, events.OrderCreated{OrderID: "quick", PaymentMethod: "pm_card_visa"}),
		}))
		step := func() int {
			did, err := r.callProvider(t.Context())
			require.NoError(t, err)
			return did
		}
		requireStates := func(slow, quick payment.State) {
			ps, err := store.OfOrders(t.Context(), db, []string{"slow", "quick"})
			require.NoError(t, err)
			require.Equal(t, [2]payment.State{slow, quick}, [2]payment.State{ps["slow"].State, ps["quick"].State})
		}
		require.Equal(t, 3, step(), "two calls, one answer")
		requireStates(payment.Pending, payment.Authorized)
		require.Zero(t, step())
		require.Equal(t, 1, r.mailbox.unanswered())
		select {
		case <-r.mailbox.bell:
		default:
		}
		late[0]()
		require.Len(t, r.mailbox.bell, 1)
		require.Equal(t, 1, step())
		requireStates(payment.Authorized, payment.Authorized)
		require.Zero(t, r.mailbox.unanswered())
	}, app.Migrations(Service)...)
}

// live hears deliveries and calls the provider in turn, until long after.
func (r replica) live(t *testing.T, w *world, deliveries []bus.Delivery) error {
	for len(deliveries) > 0 {
		n := min(11, len(deliveries))
		if err := r.inbox.Consume(t.Context(), deliveries[:n]); err != nil {
			return err
		}
		deliveries = deliveries[n:]
		if _, err := r.callProvider(t.Context()); err != nil {
			return err
		}
	}
	for range 12 {
		w.passed.Add(int64(time.Minute))
		if _, err := r.inbox.Step(t.Context()); err != nil {
			return err
		}
		for n := 1; n > 0; {
			var err error
			if n, err = r.callProvider(t.Context()); err != nil {
				return err
			}
		}
	}
	return nil
}

func requireBooks(t *testing.T, w *world, orders int) {
	t.Helper()
	r := w.replica(t)
	letters, err := r.inbox.ParkedEvents(t.Context(), "", 1)
	require.NoError(t, err)
	require.Empty(t, letters)
	var ids, charges []string
	for i := range orders {
		ids = append(ids, fmt.Sprint("o", i))
	}
	payments, err := store.OfOrders(t.Context(), w.db, ids)
	require.NoError(t, err)
	require.Len(t, payments, orders)
	for _, p := range payments {
		charges = append(charges, p.ID)
	}
	balances, err := r.provider.Balances(t.Context(), charges)
	require.NoError(t, err)
	for i, id := range ids {
		p := payments[id]
		require.Nil(t, p.Open(), "%+v", p)
		if i%3 == 0 {
			require.Contains(t, []payment.State{payment.Voided, payment.Refunded}, p.State)
			require.Equal(t, provider.Balance{}, balances[p.ID])
			continue
		}
		require.Equal(t, payment.Captured, p.State)
		require.Equal(t, provider.Balance{Paid: 700}, balances[p.ID])
	}
}
