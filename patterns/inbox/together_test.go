package inbox_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
)

// ledger handles orders and payments together.
type ledger struct{ calls []string }

func (l *ledger) handle(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
	var call string
	for _, r := range rs {
		item := fmt.Sprint(r.Payload)
		call += item
		if _, err := tx.Exec(ctx, "INSERT INTO stored (item) VALUES ($1)", item); err != nil {
			return err
		}
		if r.Payload == (paymentReceived{-1}) {
			panic("broken handler")
		}
	}
	l.calls = append(l.calls, call)
	return nil
}

// followed is called after each handler, with its events alone.
func (l *ledger) followed(_ context.Context, _ sqldb.Tx, events []event.Envelope) error {
	l.calls = append(l.calls, fmt.Sprint(len(events), " ", events[0].Type))
	return nil
}

func TestEventsOfSeveralTypesAreHandledTogether(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		var l ledger
		kinds := []inbox.Kind{inbox.KindOf[orderPlaced](), inbox.KindOf[paymentReceived]()}
		handlers := inbox.HandleTogether(l.handle, kinds)
		for i, one := range handlers {
			handlers[i] = inbox.Then(one, l.followed)
		}
		h.Inbox = inbox.New(inbox.Config{
			Service: "shop", DB: h.db, Handlers: handlers, Log: testLogger(t), Now: h.clock, Jitter: func() float64 { return 1 },
		})

		batch := h.deliveries(t, orderPlaced{"a"}, paymentReceived{5}, orderPlaced{"b"})
		h.consume(t, batch...)
		h.consume(t, batch[1:]...)
		require.Equal(t, []string{"{a}{5}{b}", "2 order.placed.v1", "1 payment.received.v1"}, l.calls)

		h.consume(t, h.deliveries(t, orderPlaced{"c"}, paymentReceived{-1})...)
		h.requireStored(t, "{a}", "{5}", "{b}", "{c}")
		require.Equal(t, []string{"payment.received.v1 retry 1"}, h.parked(t))
	})
}
