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
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t, parcelSent{"p1"}, parcelLost{"p1"})
		w.add(t, parcelSent{"p2"})
		w.step(t, 3)
		w.step(t, 0)
		require.Equal(t, []string{"id-00001", "id-00002", "id-00003"}, w.saidIDs())
		require.Equal(t, event.Envelope{
			ID: "id-00002", Source: "post", Type: "parcel.lost.v1", Time: w.now,
			CorrelationID: "p1", Data: []byte(`{"parcel":"p1"}`),
		}, w.said[1])
		require.Zero(t, w.waiting(t))
	})
}

func TestARolledBackEventIsNeverPublished(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		broken := errors.New("no stamp")
		err := w.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, w.Add(ctx, tx, parcelSent{"p1"}))
			return broken
		})
		require.ErrorIs(t, err, broken)
		w.step(t, 0)
		require.Empty(t, w.said)
		require.Empty(t, w.Relay().Wake, "the relay was woken for nothing")
	})
}

func TestACommitWakesTheRelay(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t, parcelSent{"p1"})
		w.add(t, parcelSent{"p2"})
		require.Len(t, w.Relay().Wake, 1)
	})
}

func TestAddingNoEventsWritesNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t)
		require.Empty(t, w.Relay().Wake)
		require.Zero(t, w.waiting(t))
	})
}

func TestAnEventCarriesItsCauseAndTrace(t *testing.T) {
	const heard = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const asked = "00-11111111111111111111111111111111-2222222222222222-01"
	eachDatabase(t, func(t *testing.T, w *world) {
		cause := &event.Envelope{ID: "cause", Traceparent: heard}
		require.NoError(t, w.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			reacting := event.WithCause(telemetry.WithTraceparent(ctx, heard), cause)
			requested := telemetry.WithTraceparent(ctx, asked)
			return errors.Join(
				w.Add(reacting, tx, parcelSent{"reaction"}),
				w.AddPending(ctx, tx, event.Pending{Payload: parcelSent{"batch"}, Cause: cause}),
				w.Add(requested, tx, parcelSent{"request"}),
				w.Add(ctx, tx, parcelSent{"untraced"}),
			)
		}))
		w.step(t, 4)
		var got [][3]string
		for _, e := range w.said {
			got = append(got, [3]string{e.CorrelationID, e.CausationID, e.Traceparent})
		}
		require.Equal(t, [][3]string{
			{"reaction", "cause", heard}, {"batch", "cause", heard}, {"request", "", asked}, {"untraced", "", ""},
		}, got)
	})
}

func TestAnEventTooLargeForABusIsRejectedByAdd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		err := w.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return w.Add(ctx, tx, parcelSent{string(make([]byte, 1<<20))})
		})
		require.ErrorContains(t, err, "parcel.sent.v1 has")
	})
}

func TestARejectedMessageDoesNotHoldUpOthers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.refuse = func(m bus.Message) error {
			if m.Type == "parcel.lost.v1" {
				return bus.ErrUnroutable
			}
			return nil
		}
		lost := slices.Repeat([]event.Payload{parcelLost{"p1"}}, 600) // more than a batch
		w.add(t, lost...)
		w.add(t, parcelSent{"p2"})

		_, err := w.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		require.ErrorContains(t, err, "500 of 500")
		n, err := w.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnroutable)
		require.Equal(t, 1, n, "the sound one behind them was taken")
		w.step(t, 0) // the refused ones are not due

		w.refuse = nil
		w.now = w.now.Add(time.Second)
		w.step(t, 500)
		w.step(t, 100)
		require.Zero(t, w.waiting(t))
	})
}

func TestARejectedMessageWaitsLongerEachTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.refuse = func(bus.Message) error { return errors.New("queue is full") }
		w.add(t, parcelSent{"p1"})
		for attempt := range 40 {
			_, err := w.Step(t.Context())
			require.ErrorContains(t, err, "queue is full")
			wait := time.Duration(min(attempt+1, 30)) * time.Second
			w.now = w.now.Add(wait - time.Microsecond)
			w.step(t, 0)
			w.now = w.now.Add(time.Microsecond)
		}
		w.refuse = nil
		w.step(t, 1)
	})
}

func TestNoEventIsDelayedWhileTheBusIsUnavailable(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t, parcelSent{"p1"}, parcelLost{"p1"}, parcelSent{"p2"})
		for range 3 {
			w.refuse = func(bus.Message) error { return fmt.Errorf("%w: connection refused", bus.ErrUnavailable) }
			_, err := w.Step(t.Context())
			require.ErrorIs(t, err, bus.ErrUnavailable)
		}
		w.refuse = func(m bus.Message) error { // it goes away in the middle, and refuses one before
			if m.Type == "parcel.lost.v1" {
				return bus.ErrUnroutable
			}
			return fmt.Errorf("%w: connection reset", bus.ErrUnavailable)
		}
		_, err := w.Step(t.Context())
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorIs(t, err, bus.ErrUnroutable)

		w.refuse = nil
		w.step(t, 2)
		w.now = w.now.Add(time.Second)
		w.step(t, 1)
		require.Equal(t, []string{"id-00001", "id-00003", "id-00002"}, w.saidIDs())
	})
}

func TestABatchIsBounded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t, slices.Repeat([]event.Payload{parcelSent{"p"}}, 1201)...)
		w.step(t, 500)
		w.step(t, 500)
		w.step(t, 201)
		w.step(t, 0)
		require.Len(t, w.said, 1201)
		require.True(t, slices.IsSorted(w.saidIDs()))
	})
}

func TestTwoRelaysShareTheWork(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		w := newWorld(db)
		if !manyWriters(t, db) {
			t.Skip("one writer, one relay")
		}
		w.add(t, slices.Repeat([]event.Payload{parcelSent{"p"}}, 700)...)
		other := w.outboxOn(db)
		w.during = func(context.Context) {
			w.during = nil
			n, err := other.Step(t.Context())
			require.NoError(t, err)
			require.Equal(t, 200, n, "the second relay takes what the first has not claimed")
		}
		w.step(t, 500)
		require.Len(t, w.said, 700)
		require.Zero(t, w.waiting(t))
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
	eachDatabase(t, func(t *testing.T, w *world) {
		w.add(t, parcelSent{"p1"})
		w.during = func(ctx context.Context) {
			w.during = nil
			// The bus itself writes to the service's own database, and so does the service.
			require.NoError(t, w.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return w.Add(ctx, tx, parcelSent{"p2"})
			}))
		}
		w.step(t, 1)
		w.step(t, 1)
		require.Zero(t, w.waiting(t))
	})
}

func TestMetricsShowPendingEvents(t *testing.T) {
	eachDatabase(t, func(t *testing.T, w *world) {
		reg := prometheus.NewRegistry()
		w.RegisterMetrics(reg)
		require.Zero(t, gauge(t, reg, "troupe_outbox_events"))
		require.Zero(t, gauge(t, reg, "troupe_outbox_oldest_seconds"))
		w.add(t, parcelSent{"p1"})
		w.now = w.now.Add(90 * time.Second)
		w.add(t, parcelSent{"p2"})
		require.Equal(t, 2.0, gauge(t, reg, "troupe_outbox_events"))
		require.Equal(t, 90.0, gauge(t, reg, "troupe_outbox_oldest_seconds"))
	})
}
