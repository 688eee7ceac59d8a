package payments

import (
	"context"
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
	"troupe/patterns/audit"
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

// shared is what replicas have in common: the database and the time.
type shared struct {
	db     sqldb.DB
	passed atomic.Int64
}

func (w *shared) now() time.Time {
	return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(w.passed.Load()))
}

type replica struct {
	*service
	inbox *inbox.Inbox
}

func (w *shared) replica(t testing.TB) replica {
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := newService(app.Env{
		DB: w.db, Now: w.now, NewID: newID, Log: log, Registry: prometheus.NewRegistry(),
		Outbox: outbox.New(outbox.Config{Service: "payments", DB: w.db, Now: w.now, NewID: newID}),
		Audit:  audit.New(audit.Config{Service: "payments", DB: w.db, Now: w.now, NewID: newID, Log: log}),
		After:  func(_ time.Duration, f func()) { f() },
	})
	return replica{s, inbox.New(inbox.Config{Service: "payments", DB: w.db, Now: w.now, Log: log, Handlers: s.handlers()})}
}

// inFlight returns how many calls of the replica are not recorded.
func (r replica) inFlight() int { return maxInFlight - r.calls.free() }

// step steps dispatch and then record, and returns how much each of them did.
func (r replica) step(t testing.TB) (dispatched, recorded int) {
	t.Helper()
	dispatched, err := r.dispatch(t.Context())
	require.NoError(t, err)
	recorded, err = r.record(t.Context())
	require.NoError(t, err)
	return dispatched, recorded
}

func delivery(t testing.TB, payload event.Payload) bus.Delivery {
	t.Helper()
	data, err := json.Marshal(payload)
	require.NoError(t, err)
	e := event.Envelope{ID: uuid.NewString(), Source: "orders", Type: payload.EventType(), Time: time.Now(), Data: data}
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

// TestReplicasCaptureAndReturnMoneyOnce has three replicas consume events and call
// the provider at the same time. The events come in any order, each of them twice.
func TestReplicasCaptureAndReturnMoneyOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		const orders = 150
		w := &shared{db: db}
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
			replicas.Go(func() error { return r.run(t, w, part) })
		}
		require.NoError(t, replicas.Wait())
		requireLedger(t, w, orders)
	}, app.Migrations(Service)...)
}

// TestASlowCallDelaysNoOtherPayment has the response to a slow call arrive after those
// of other calls were recorded. It wakes the worker record.
func TestASlowCallDelaysNoOtherPayment(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		r := (&shared{db: db}).replica(t)
		var delayed []func()
		r.provider.After = func(_ time.Duration, f func()) { delayed = append(delayed, f) }
		require.NoError(t, r.inbox.Consume(t.Context(), []bus.Delivery{
			delivery(t, events.OrderCreated{OrderID: "slow", PaymentMethod: "pm_fake_slow"}),
			delivery(t, events.OrderCreated{OrderID: "quick", PaymentMethod: "pm_card_visa"}),
		}))
		requireStates := func(slow, quick payment.State) {
			ps, err := store.OfOrders(t.Context(), db, []string{"slow", "quick"})
			require.NoError(t, err)
			require.Equal(t, [2]payment.State{slow, quick}, [2]payment.State{ps["slow"].State, ps["quick"].State})
		}
		dispatched, recorded := r.step(t)
		require.Equal(t, [2]int{2, 1}, [2]int{dispatched, recorded}, "two calls, one response")
		requireStates(payment.Pending, payment.Authorized)
		dispatched, recorded = r.step(t)
		require.Zero(t, dispatched+recorded)
		require.Equal(t, 1, r.inFlight())
		<-r.calls.arrived // the first response
		delayed[0]()
		require.Len(t, r.calls.arrived, 1)
		_, recorded = r.step(t)
		require.Equal(t, 1, recorded)
		requireStates(payment.Authorized, payment.Authorized)
		require.Zero(t, r.inFlight())
	}, app.Migrations(Service)...)
}

// TestCallsInFlightAreLimited has a provider that does not respond. Recording the
// outcomes makes room for more calls and wakes dispatch.
func TestCallsInFlightAreLimited(t *testing.T) {
	t.Parallel()
	r := (&shared{db: sqldbtest.SQLite(t, app.Migrations(Service)...)}).replica(t)
	var delayed []func()
	r.provider.After = func(_ time.Duration, f func()) { delayed = append(delayed, f) }
	const orders = maxInFlight + 100
	var deliveries []bus.Delivery
	for i := range orders {
		deliveries = append(deliveries, delivery(t, events.OrderCreated{OrderID: fmt.Sprint("o", i), PaymentMethod: "pm_fake_slow"}))
	}
	require.NoError(t, r.inbox.Consume(t.Context(), deliveries))
	for range orders/claimBatch + 2 {
		r.step(t)
	}
	require.Len(t, delayed, maxInFlight)
	<-r.calls.due // the commit of the handlers

	for _, respond := range delayed {
		respond()
	}
	dispatched, recorded := r.step(t)
	require.Zero(t, dispatched, "a response makes no room before it is recorded")
	require.Equal(t, recordBatch, recorded)
	require.Len(t, r.calls.due, 1)
	dispatched, _ = r.step(t)
	require.Equal(t, 100, dispatched)
}

// TestAFailureToRecordKeepsTheResponses has a database that fails between the call and
// the recording of its outcome.
func TestAFailureToRecordKeepsTheResponses(t *testing.T) {
	t.Parallel()
	r := (&shared{db: sqldbtest.SQLite(t, app.Migrations(Service)...)}).replica(t)
	require.NoError(t, r.inbox.Consume(t.Context(), []bus.Delivery{delivery(t, events.OrderCreated{OrderID: "o1", PaymentMethod: "pm_card_visa"})}))
	_, err := r.dispatch(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.record(ctx)
	require.Error(t, err)
	require.Equal(t, 1, r.inFlight())

	require.NoError(t, r.drain(t.Context()), "as when the service stops")
	require.Zero(t, r.inFlight())
	payments, err := store.OfOrders(t.Context(), r.DB, []string{"o1"})
	require.NoError(t, err)
	require.Equal(t, payment.Authorized, payments["o1"].State)
}

// run consumes deliveries and steps the workers in turn, until long after the last
// delivery.
func (r replica) run(t *testing.T, w *shared, deliveries []bus.Delivery) error {
	for len(deliveries) > 0 {
		n := min(11, len(deliveries))
		if err := r.inbox.Consume(t.Context(), deliveries[:n]); err != nil {
			return err
		}
		deliveries = deliveries[n:]
		if _, err := r.dispatch(t.Context()); err != nil {
			return err
		}
		if _, err := r.record(t.Context()); err != nil {
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
			if n, err = r.dispatch(t.Context()); err != nil {
				return err
			}
			if _, err = r.record(t.Context()); err != nil {
				return err
			}
		}
	}
	return nil
}

// requireLedger requires that the money of all orders is where their events want it.
func requireLedger(t *testing.T, w *shared, orders int) {
	t.Helper()
	r := w.replica(t)
	parked, err := r.inbox.ParkedEvents(t.Context(), "", 1)
	require.NoError(t, err)
	require.Empty(t, parked)
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
