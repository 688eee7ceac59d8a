package inbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// An order was delivered to one line of text, and is delivered to a street and a town since
// version 2.
type (
	orderSentV1 struct {
		Order   string `json:"order"`
		Address string `json:"address"`
	}
	orderSent struct {
		Order string `json:"order"`
		To    struct {
			Street string `json:"street"`
			Town   string `json:"town"`
		} `json:"to"`
	}
)

func (orderSentV1) EventType() string       { return "order.sent.v1" }
func (e orderSentV1) CorrelationID() string { return e.Order }
func (orderSent) EventType() string         { return "order.sent.v2" }
func (e orderSent) CorrelationID() string   { return e.Order }

// upcastOrderSent reads the street and the town from the line.
func upcastOrderSent(old orderSentV1) orderSent {
	e := orderSent{Order: old.Order}
	parts := strings.Split(old.Address, ", ")
	e.To.Street, e.To.Town = parts[0], parts[1]
	return e
}

func sentTo(order, street, town string) orderSent {
	e := orderSent{Order: order}
	e.To.Street, e.To.Town = street, town
	return e
}

// parcels is a service that consumes both versions of order.sent.
func parcels(t *testing.T, db sqldb.DB, handled *[]string) *harness {
	t.Helper()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	h := &harness{db: db, now: now}
	send := handleBatch(func(_ context.Context, _ sqldb.Tx, rs []inbox.Received[orderSent]) error {
		line := fmt.Sprintf("%d:", len(rs))
		for _, r := range rs {
			line += fmt.Sprintf(" %s %s %s %s", r.Envelope.Type, r.Payload.Order, r.Payload.To.Street, r.Payload.To.Town)
		}
		*handled = append(*handled, line)
		return nil
	})
	h.Inbox = inbox.New(inbox.Config{
		Service: "parcels", DB: db, Now: h.clock, Log: testLogger(t),
		Handlers: []inbox.Handler{send, inbox.Upcast(send, upcastOrderSent)},
	})
	return h
}

// During a rollout of version 2, events of both versions are in the queue of a consumer.
func TestEventsOfAnEarlierMajorVersionAreHandledAsThoseOfNow(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		var handled []string
		h := parcels(t, db, &handled)
		batch := h.deliveries(t, sentTo("o1", "Mill Lane", "Kent"), orderSentV1{"o2", "High Street, York"}, sentTo("o3", "Quay", "Hull"))
		require.NoError(t, h.Consume(t.Context(), batch))
		require.NoError(t, h.Consume(t.Context(), batch), "delivered again")
		require.Equal(t, []string{"3: order.sent.v2 o1 Mill Lane Kent order.sent.v1 o2 High Street York order.sent.v2 o3 Quay Hull"}, handled)
	}, inbox.Migrations)
}

func TestAnEventThatCannotBeUpcastIsDeadAndStopsNoOther(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		var handled []string
		h := parcels(t, db, &handled)
		batch := h.deliveries(t, orderSentV1{"o1", "nowhere"}, orderSentV1{"o2", "High Street, York"})
		require.NoError(t, h.Consume(t.Context(), batch))
		require.Equal(t, []string{"1: order.sent.v1 o2 High Street York"}, handled)
		dead, err := h.ParkedEvents(t.Context(), "dead", 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Contains(t, dead[0].LastError, "make a order.sent.v2 of order.sent.v1")
	}, inbox.Migrations)
}

func TestAnUpcasterLeadsToTheTypeOfItsHandler(t *testing.T) {
	t.Parallel()
	placed := inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[orderPlaced]) error { return nil })
	require.PanicsWithValue(t, "inbox: Upcast to order.sent.v2, but the handler is for order.placed.v1", func() {
		inbox.Upcast(placed, upcastOrderSent)
	})
}
