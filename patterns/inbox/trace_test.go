package inbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/platform/telemetry"
)

type orderPaid struct{}

func (orderPaid) EventType() string     { return "order.paid.v1" }
func (orderPaid) CorrelationID() string { return "order-1" }

// spansOf collects the spans of one trace, and those linked to it.
func spansOf(t *testing.T, trace string) func() []telemetry.Ended {
	t.Helper()
	var mu sync.Mutex
	var spans []telemetry.Ended
	t.Cleanup(telemetry.OnEnd(func(span telemetry.EndingSpan) {
		e := span.Describe()
		mu.Lock()
		defer mu.Unlock()
		if e.TraceID == trace || len(e.Links) > 0 && e.Links[0] == trace {
			spans = append(spans, e)
		}
	}))
	return func() []telemetry.Ended {
		mu.Lock()
		defer mu.Unlock()
		return append([]telemetry.Ended(nil), spans...)
	}
}

func delivered(t *testing.T, id, traceparent string, at time.Time) bus.Delivery {
	t.Helper()
	e, err := event.New(id, "payments", at, orderPaid{})
	require.NoError(t, err)
	e.Traceparent = traceparent
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Delivery{Message: bus.Message{ID: e.ID, Type: e.Type, Body: body}}
}

func TestAnEventCausedByAHandlerIsAChildInTheTrace(t *testing.T) {
	t.Parallel()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	spans := spansOf(t, trace)
	var inContext, inEnvelope string
	i := New(Config{
		Service: "shop", DB: sqldb.Traced(sqldbtest.SQLite(t, Migrations), "shop"), Now: time.Now,
		Handlers: []Handler{Handle(func(ctx context.Context, _ sqldb.Tx, r Received[orderPaid]) error {
			inContext, inEnvelope = telemetry.Traceparent(ctx), event.CausedBy(&r.Envelope, orderPaid{}).Cause.Traceparent
			return nil
		})},
	})
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{delivered(t, "e1", "00-"+trace+"-00f067aa0ba902b7-01", time.Now())}))

	require.Len(t, spans(), 2)
	transaction, process := spans()[0], spans()[1]
	require.Equal(t, "process shop.events.v1", process.Name)
	require.Equal(t, "consumer", process.Kind)
	require.Equal(t, "shop", process.Service)
	require.Subset(t, process.Attributes, map[string]string{
		"messaging.operation.name": "process", "messaging.destination.name": "shop.events.v1", "messaging.message.id": "e1",
		"cloudevents.event_id": "e1", "cloudevents.event_type": "order.paid.v1", "cloudevents.event_source": "payments",
	})
	require.Equal(t, "00f067aa0ba902b7", process.ParentID)
	want := "00-" + trace + "-" + process.SpanID + "-01"
	require.Equal(t, want, inContext)
	require.Equal(t, want, inEnvelope)
	require.Equal(t, process.SpanID, transaction.ParentID)
	require.Equal(t, "INSERT inbox", transaction.Attributes["db.query.summary"])
}

// Events of several orders are handled in one transaction, which is part of the traces of all
// of them; a customer's trace is complete however busy the shop is.
func TestABatchIsPartOfTheTraceOfEachOfItsEvents(t *testing.T) {
	t.Parallel()
	const one, two = "11111111111111111111111111111111", "22222222222222222222222222222222"
	ofOne, ofTwo := spansOf(t, one), spansOf(t, two)
	i := New(Config{
		Service: "shop", DB: sqldb.Traced(sqldbtest.SQLite(t, Migrations), "shop"), Now: time.Now,
		Handlers: HandleTogether(func(context.Context, sqldb.Tx, []Received[event.Payload]) error { return nil }, []Kind{KindOf[orderPaid]()}),
	})
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{
		delivered(t, "e1", "00-"+one+"-00f067aa0ba902b7-01", time.Now()), delivered(t, "e2", "00-"+two+"-00f067aa0ba902b8-01", time.Now()),
		delivered(t, "e3", "00-33333333333333333333333333333333-00f067aa0ba902b9-00", time.Now()), // not recorded
	}))
	require.Equal(t, []string{"transaction shop", "transaction shop", "process shop.events.v1", "process shop.events.v1"}, namesOf(ofOne()), "those of the second are linked to it")
	require.Equal(t, []string{"transaction shop", "process shop.events.v1"}, namesOf(ofTwo()))
	require.Equal(t, []string{one}, ofTwo()[1].Links, "the spans of a batch are linked to the first of them")
	require.Equal(t, "3", ofTwo()[1].Attributes["messaging.batch.message_count"])
}

func namesOf(spans []telemetry.Ended) (names []string) {
	for _, s := range spans {
		names = append(names, s.Name)
	}
	return names
}

// The first retry, a second later, is part of the order's trace. One that comes late, or that
// an operator has asked for, would stretch the trace: it begins one of its own, with a link.
func TestALateRetryAndAReplayBeginATraceWithALink(t *testing.T) {
	t.Parallel()
	const trace = "5bf92f3577b34da6a3ce929d0e0e4736"
	spans := spansOf(t, trace)
	now, fails := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), true
	i := New(Config{
		Service: "shop", DB: sqldbtest.SQLite(t, Migrations), Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0 },
		Handlers: []Handler{Handle(func(context.Context, sqldb.Tx, Received[orderPaid]) error {
			if fails {
				return errors.New("not yet")
			}
			return nil
		})},
	})
	step := func(wait time.Duration) {
		now = now.Add(wait)
		_, err := i.Step(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, i.Consume(t.Context(), []bus.Delivery{delivered(t, "e1", "00-"+trace+"-00f067aa0ba902b7-01", now)}))
	step(2 * time.Second)
	step(time.Minute)
	require.NoError(t, i.Replay(t.Context(), i.db, "e1"))
	fails = false
	step(0)

	require.Len(t, spans(), 4)
	for n, s := range spans() {
		isOwn := n >= 2
		require.Equal(t, isOwn, s.TraceID != trace, "attempt %d", n+1)
		require.Equal(t, isOwn, len(s.Links) == 1 && s.Links[0] == trace, "attempt %d", n+1)
	}
	require.Equal(t, []string{"handle order.paid.v1: not yet", "handle order.paid.v1: not yet", "handle order.paid.v1: not yet", ""},
		[]string{spans()[0].Error, spans()[1].Error, spans()[2].Error, spans()[3].Error})
}
