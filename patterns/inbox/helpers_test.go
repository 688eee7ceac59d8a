package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// The service in these tests is a shop. It stores placed orders, one at a time,
// and received payments, as a batch.

type orderPlaced struct {
	Order string `json:"order"`
}

func (orderPlaced) EventType() string       { return "order.placed.v1" }
func (o orderPlaced) CorrelationID() string { return o.Order }

type paymentReceived struct {
	Cents int64 `json:"cents"`
}

func (paymentReceived) EventType() string     { return "payment.received.v1" }
func (paymentReceived) CorrelationID() string { return "" }

var errInvalid = errors.New("the order is invalid")

// harness is a service with an inbox, and a clock.
type harness struct {
	*inbox.Inbox
	db  sqldb.DB
	now time.Time

	failing    map[string]error // the errors of orders that fail
	panics     map[string]bool
	calls      []string // what the handlers were called with, including failed calls
	beforeEach func()   // called by the handler of each order
	options    []inbox.Option
}

func eachDatabase(t *testing.T, test func(t *testing.T, h *harness), o ...inbox.Option) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "CREATE TABLE stored (item TEXT NOT NULL)")
		require.NoError(t, err)
		test(t, newHarness(t, db, o...))
	}, inbox.Migrations)
}

func newHarness(t *testing.T, db sqldb.DB, o ...inbox.Option) *harness {
	t.Helper()
	h := &harness{
		db: db, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), options: o,
		failing: map[string]error{}, panics: map[string]bool{},
	}
	h.Inbox = h.inboxOn(t, db)
	return h
}

func (h *harness) inboxOn(t *testing.T, db sqldb.DB) *inbox.Inbox {
	t.Helper()
	return inbox.New(inbox.Config{
		Service: "shop", DB: db,
		Handlers: []inbox.Handler{inbox.Handle(h.storeOrder, h.options...), handleBatch(h.storePayments)},
		Now:      h.clock,
		Log:      testLogger(t),
		Jitter:   func() float64 { return 1 },
	})
}

// handleBatch returns a handler that calls f for all events of one type in a batch.
func handleBatch[E event.Payload](f func(context.Context, sqldb.Tx, []inbox.Received[E]) error, o ...inbox.Option) inbox.Handler {
	return inbox.HandleTogether(func(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
		all := make([]inbox.Received[E], len(rs))
		for i, r := range rs {
			all[i] = inbox.Received[E]{Envelope: r.Envelope, Payload: r.Payload.(E)}
		}
		return f(ctx, tx, all)
	}, []inbox.Kind{inbox.KindOf[E]()}, o...)[0]
}

func (h *harness) clock() time.Time { return h.now }

func (h *harness) storeOrder(ctx context.Context, tx sqldb.Tx, r inbox.Received[orderPlaced]) error {
	h.calls = append(h.calls, r.Payload.Order)
	if h.beforeEach != nil {
		h.beforeEach()
	}
	if _, err := tx.Exec(ctx, "INSERT INTO stored (item) VALUES ($1)", r.Payload.Order); err != nil {
		return err
	}
	if h.panics[r.Payload.Order] {
		panic("broken handler")
	}
	return h.failing[r.Payload.Order]
}

func (h *harness) storePayments(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[paymentReceived]) error {
	call := "payments"
	for _, r := range rs {
		call += fmt.Sprintf(" %d", r.Payload.Cents)
		if r.Payload.Cents < 0 {
			h.calls = append(h.calls, call)
			return errors.New("a negative payment")
		}
		if _, err := tx.Exec(ctx, "INSERT INTO stored (item) VALUES ($1)", fmt.Sprint(r.Payload.Cents)); err != nil {
			return err
		}
	}
	h.calls = append(h.calls, call)
	return nil
}

// deliveries returns one delivery for each payload.
func (h *harness) deliveries(t *testing.T, payloads ...event.Payload) (batch []bus.Delivery) {
	t.Helper()
	for _, payload := range payloads {
		e, err := event.New(uuid.Must(uuid.NewV7()).String(), "checkout", h.now, payload)
		require.NoError(t, err)
		batch = append(batch, delivery(t, e))
	}
	return batch
}

func delivery(t *testing.T, e event.Envelope) bus.Delivery {
	t.Helper()
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

func (h *harness) consume(t *testing.T, batch ...bus.Delivery) {
	t.Helper()
	require.NoError(t, h.Consume(t.Context(), batch))
}

// requireStored requires that exactly these items are stored, in any order.
func (h *harness) requireStored(t *testing.T, want ...string) {
	t.Helper()
	stored, err := sqldb.All(t.Context(), h.db, func(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) },
		"SELECT item FROM stored")
	require.NoError(t, err)
	require.ElementsMatch(t, want, stored)
}

// parked returns the parked events as "type state attempts".
func (h *harness) parked(t *testing.T) (lines []string) {
	t.Helper()
	all, err := h.ParkedEvents(t.Context(), "", 100)
	require.NoError(t, err)
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%s %s %d", p.Type, p.State, p.Attempts))
	}
	return lines
}

func (h *harness) step(t *testing.T, want int) {
	t.Helper()
	n, err := h.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, n)
}

func testLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// stepInterrupted calls Step, and calls meanwhile between the claim of a parked
// event and the call of its handler.
func (h *harness) stepInterrupted(t *testing.T, meanwhile func()) error {
	t.Helper()
	slow := h.inboxOn(t, pausing{h.db, meanwhile})
	_, err := slow.Step(t.Context())
	return err
}

// pausing is a database that calls before at the start of each transaction.
type pausing struct {
	sqldb.DB
	before func()
}

func (p pausing) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	p.before()
	return p.DB.Tx(ctx, fn)
}
