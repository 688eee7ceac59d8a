package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/platform/telemetry"
)

func TestCommittedEventsArePublishedOnceInOrder(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, orderShipped{"o1"}, orderReturned{"o1"})
		h.add(t, orderShipped{"o2"})
		h.step(t, 3)
		h.step(t, 0)
		require.Equal(t, []string{"id-00001", "id-00002", "id-00003"}, h.publishedIDs())
		require.Equal(t, event.Envelope{
			ID: "id-00002", Source: "shop", Type: "order.returned.v1", Time: h.now,
			CorrelationID: "o1", Data: []byte(`{"order":"o1"}`),
		}, h.published[1])
		require.Zero(t, h.pending(t))
	})
}

func TestARolledBackEventIsNeverPublished(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		broken := errors.New("the order is invalid")
		err := h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, h.Add(ctx, tx, orderShipped{"o1"}))
			return broken
		})
		require.ErrorIs(t, err, broken)
		h.step(t, 0)
		require.Empty(t, h.published)
		require.Empty(t, h.Relay().Wake, "the relay is not woken")
	})
}

func TestAnEventWithoutConsumersHasNoRow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		all := h.Outbox
		h.Outbox = outbox.New(outbox.Config{
			Service: "shop", DB: h.db, Publisher: h, Now: func() time.Time { return h.now }, NewID: h.newID,
			Topology: bus.Topology{"order.shipped.v1": {"billing"}, "order.returned.v1": {}},
		})
		h.add(t, orderReturned{"o1"})
		require.Zero(t, h.pending(t))
		h.add(t, orderReturned{"o1"}, orderShipped{"o1"}, orderReturned{"o2"})
		h.step(t, 1)
		require.Equal(t, "order.shipped.v1", h.published[0].Type)
		h.Outbox = all
		h.add(t, orderReturned{"o1"})
		h.step(t, 1)
	})
}

func TestACommitWakesTheRelay(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, orderShipped{"o1"})
		h.add(t, orderShipped{"o2"})
		require.Len(t, h.Relay().Wake, 1)
	})
}

func TestAddingNoEventsWritesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t)
		require.Empty(t, h.Relay().Wake)
		require.Zero(t, h.pending(t))
	})
}

func TestAnEventCarriesItsCauseAndTrace(t *testing.T) {
	const consumed = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const request = "00-11111111111111111111111111111111-2222222222222222-01"
	eachDatabase(t, func(t *testing.T, h *harness) {
		cause := &event.Envelope{ID: "cause", Traceparent: consumed}
		require.NoError(t, h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			handling := event.WithCause(telemetry.WithTraceparent(ctx, consumed), cause)
			requested := telemetry.WithTraceparent(ctx, request)
			return errors.Join(
				h.Add(handling, tx, orderShipped{"handler"}),
				h.AddPending(ctx, tx, event.Pending{Payload: orderShipped{"batch"}, Cause: cause}),
				h.Add(requested, tx, orderShipped{"request"}),
				h.Add(ctx, tx, orderShipped{"untraced"}),
			)
		}))
		h.step(t, 4)
		var got [][3]string
		for _, e := range h.published {
			got = append(got, [3]string{e.CorrelationID, e.CausationID, e.Traceparent})
		}
		require.Equal(t, [][3]string{
			{"handler", "cause", consumed}, {"batch", "cause", consumed}, {"request", "", request}, {"untraced", "", ""},
		}, got)
	})
}

func TestAnEventTooLargeForABusIsRejectedByAdd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		err := h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return h.Add(ctx, tx, orderShipped{string(make([]byte, 1<<20))})
		})
		require.ErrorContains(t, err, "order.shipped.v1 has")
	})
}

func TestARejectedMessageDoesNotHoldUpOthers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.reject = func(m bus.Message) error {
			if m.Type == "order.returned.v1" {
				return bus.ErrUnroutable
			}
			return nil
		}
		returned := slices.Repeat([]event.Payload{orderReturned{"o1"}}, 600) // more than a batch
		h.add(t, returned...)
		h.add(t, orderShipped{"o2"})

		_, err := h.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		require.ErrorContains(t, err, "500 of 500")
		n, err := h.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		require.Equal(t, 1, n, "the good one behind them is published")
		h.step(t, 0) // the rejected ones are not due

		h.reject = nil
		h.now = h.now.Add(time.Second)
		for _, rows := range []int{10, 20, 40, 80, 160, 290} {
			h.step(t, rows)
		}
		require.Zero(t, h.pending(t))
	})
}

func TestARejectedMessageWaitsLongerEachTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.reject = func(bus.Message) error { return errors.New("queue is full") }
		h.add(t, orderShipped{"o1"})
		for attempt := range 40 {
			_, err := h.Step(t.Context())
			require.ErrorContains(t, err, "queue is full")
			wait := time.Duration(min(attempt+1, 30)) * time.Second
			h.now = h.now.Add(wait - time.Microsecond)
			h.step(t, 0)
			h.now = h.now.Add(time.Microsecond)
		}
		h.reject = nil
		h.step(t, 1)
	})
}

func TestNoEventIsDelayedWhileTheBusIsUnavailable(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, orderShipped{"o1"}, orderReturned{"o1"}, orderShipped{"o2"})
		for range 3 {
			h.reject = func(bus.Message) error { return fmt.Errorf("%w: connection refused", bus.ErrUnavailable) }
			_, err := h.Step(t.Context())
			require.ErrorIs(t, err, bus.ErrUnavailable)
		}
		h.reject = func(m bus.Message) error { // it becomes unavailable in the middle, after it has rejected one
			if m.Type == "order.returned.v1" {
				return bus.ErrUnroutable
			}
			return fmt.Errorf("%w: connection reset", bus.ErrUnavailable)
		}
		_, err := h.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorIs(t, err, bus.ErrUnroutable)

		h.reject = nil
		h.step(t, 2)
		h.now = h.now.Add(time.Second)
		h.step(t, 1)
		require.Equal(t, []string{"id-00001", "id-00003", "id-00002"}, h.publishedIDs())
	})
}

func TestABatchIsBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, slices.Repeat([]event.Payload{orderShipped{"o"}}, 1201)...)
		h.step(t, 500)
		h.step(t, 500)
		h.step(t, 201)
		h.step(t, 0)
		require.Len(t, h.published, 1201)
		require.True(t, slices.IsSorted(h.publishedIDs()))
	})
}

func TestTheEventsOfATransactionAreOneRow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, slices.Repeat([]event.Payload{orderShipped{"o1"}, orderReturned{"o1\nand a second line"}}, 25)...)
		require.Equal(t, 1, h.pending(t))
		h.step(t, 50)
		require.Equal(t, "o1\nand a second line", h.published[49].CorrelationID)
		require.Equal(t, "id-00050", h.published[49].ID)
		require.Zero(t, h.pending(t))

		h.add(t, slices.Repeat([]event.Payload{orderShipped{strings.Repeat("x", 50_000)}}, 5)...)
		require.Equal(t, 3, h.pending(t), "no row becomes very large")
		h.step(t, 5)
	})
}

func TestARowOfWhichTheBusConfirmsOnlySomeEventsIsSplit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		answers := map[string]error{
			"rejected":    bus.ErrUnroutable,
			"unavailable": fmt.Errorf("%w: connection reset", bus.ErrUnavailable),
		}
		h.reject = func(m bus.Message) error {
			e, err := event.Decode(m.Body)
			require.NoError(t, err)
			return answers[e.CorrelationID]
		}
		reg := prometheus.NewRegistry()
		h.RegisterMetrics(reg)
		h.add(t, orderShipped{"confirmed"}, orderShipped{"rejected"}, orderShipped{"unavailable"}, orderReturned{"rejected"})
		require.Equal(t, 4.0, gauge(t, reg, "troupe_outbox_pending_events"))
		h.now = h.now.Add(10 * time.Second)
		_, err := h.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.Equal(t, 3, h.pending(t))
		require.Equal(t, 10.0, gauge(t, reg, "troupe_outbox_oldest_event_age_seconds"), "their age is that of the row")

		clear(answers)
		h.step(t, 1) // the one that had no bus
		h.now = h.now.Add(time.Second)
		h.step(t, 2)
		require.Equal(t, []string{"id-00001", "id-00003", "id-00002", "id-00004"}, h.publishedIDs())
		require.Equal(t, "order.returned.v1", h.published[3].Type)
		require.Zero(t, h.pending(t))
	})
}

// During a rollout a replica of version 0.1 runs beside this one. It publishes the body of a
// row as one event, and deletes the row.
func TestARelayOfVersion01TakesNoRowOfManyEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		taken := func() []string {
			bodies, err := sqldb.All(t.Context(), h.db, func(r sqldb.Row) (body string, err error) {
				err = r.Scan(&body)
				return body, err
			}, "SELECT body FROM outbox WHERE retry_at <= $1 ORDER BY event_id LIMIT $2", sqldb.Micros(h.now.AddDate(100, 0, 0)), 500)
			require.NoError(t, err)
			return bodies
		}
		h.add(t, orderShipped{"o1"}, orderReturned{"o1"})
		h.add(t, orderShipped{"alone"})
		h.reject = func(bus.Message) error { return bus.ErrUnroutable }
		require.Len(t, taken(), 1)
		_, err := event.Decode([]byte(taken()[0]))
		require.NoError(t, err)

		_, err = h.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		for _, body := range taken() {
			_, err := event.Decode([]byte(body))
			require.NoError(t, err)
		}
		h.reject = nil
		h.step(t, 0)
		h.now = h.now.Add(time.Second)
		h.step(t, 3)
		require.Zero(t, h.pending(t))
	})
}

func TestARelayReadsAboutABatchOfEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		for range 700 {
			h.add(t, orderShipped{"o"}) // a row each
		}
		for _, rows := range []int{10, 20, 40, 80, 160, 320, 70} {
			h.step(t, rows)
		}
		for range 20 {
			h.add(t, slices.Repeat([]event.Payload{orderShipped{"o"}}, 50)...) // few rows of many
		}
		h.step(t, 1000)
		require.Zero(t, h.pending(t))
		for range 40 {
			h.add(t, slices.Repeat([]event.Payload{orderShipped{"o"}}, 50)...)
		}
		h.step(t, 2000)
		h.add(t, slices.Repeat([]event.Payload{orderShipped{"o"}}, 50*200)...)
		require.Equal(t, 200, h.pending(t))
		h.step(t, 80*50)
		h.step(t, 40*50)
		h.step(t, 20*50)
	})
}

func TestTwoRelaysShareTheWork(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		h := newHarness(db)
		if !manyWriters(t, db) {
			t.Skip("one writer, one relay")
		}
		h.add(t, slices.Repeat([]event.Payload{orderShipped{"o"}}, 700)...)
		other := h.outboxOn(db)
		h.duringPublish = func(context.Context) {
			h.duringPublish = nil
			n, err := other.Step(t.Context())
			require.NoError(t, err)
			require.Equal(t, 200, n, "the second relay takes what the first has not locked")
		}
		h.step(t, 500)
		require.Len(t, h.published, 700)
		require.Zero(t, h.pending(t))
	}, outbox.Migrations)
}

func manyWriters(t *testing.T, db sqldb.DB) (many bool) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(_ context.Context, tx sqldb.Tx) error {
		many = tx.SkipLocked() != ""
		return nil
	}))
	return many
}

func TestTheServiceCanWriteWhileTheBusIsSlow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.add(t, orderShipped{"o1"})
		h.duringPublish = func(ctx context.Context) {
			h.duringPublish = nil
			// The bus writes to the database of the service, and so does the service itself.
			require.NoError(t, h.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return h.Add(ctx, tx, orderShipped{"o2"})
			}))
		}
		h.step(t, 1)
		h.step(t, 1)
		require.Zero(t, h.pending(t))
	})
}

func TestMetricsShowPendingEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		reg := prometheus.NewRegistry()
		h.RegisterMetrics(reg)
		require.Zero(t, gauge(t, reg, "troupe_outbox_pending_events"))
		require.Zero(t, gauge(t, reg, "troupe_outbox_oldest_event_age_seconds"))
		h.add(t, orderShipped{"o1"})
		h.now = h.now.Add(90 * time.Second)
		h.add(t, orderShipped{"o2"})
		require.Equal(t, 2.0, gauge(t, reg, "troupe_outbox_pending_events"))
		require.Equal(t, 90.0, gauge(t, reg, "troupe_outbox_oldest_event_age_seconds"))
	})
}

// The relay would try without end to publish an event that the topology does not list. The
// transaction that adds it fails instead, and changes nothing.
func TestAnEventThatTheTopologyDoesNotListIsRefusedInTheTransaction(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.Outbox = outbox.New(outbox.Config{
			Service: "shop", DB: h.db, Publisher: h, Now: func() time.Time { return h.now }, NewID: h.newID,
			Topology: bus.Topology{"order.shipped.v1": {"billing"}}, Schemas: "https://api.shop.example/docs/events",
		})
		err := h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return h.Add(ctx, tx, orderShipped{"o1"}, orderReturned{"o1"})
		})
		require.ErrorIs(t, err, bus.ErrUnknownType)
		require.ErrorContains(t, err, `shop cannot publish "order.returned.v1": add it to events/topology.go`)
		require.Zero(t, h.pending(t))

		h.add(t, orderShipped{"o2"})
		h.step(t, 1)
		require.Equal(t, "https://api.shop.example/docs/events/order.shipped.v1.json", h.published[0].DataSchema)
	})
}
