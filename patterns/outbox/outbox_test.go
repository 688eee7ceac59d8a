package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		h.step(t, 500)
		h.step(t, 100)
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
