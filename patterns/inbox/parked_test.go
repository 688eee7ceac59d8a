package inbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/patterns/retry"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

func TestAParkedEventIsRetriedAndDeletedOnSuccess(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errInvalid
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		h.step(t, 0) // not due yet
		h.now = h.now.Add(time.Second)
		h.step(t, 1)
		require.Equal(t, []string{"order.placed.v1 retry 2"}, h.parked(t))
		h.requireStored(t)

		delete(h.failing, "a")
		h.step(t, 0)
		h.now = h.now.Add(2 * time.Second)
		h.step(t, 1)
		h.requireStored(t, "a")
		require.Empty(t, h.parked(t))
	})
}

// The clock was ahead by a year and was set right: reports rai-project/rai#35 and
// sethvargo/go-limiter#41 (what was stored then was waited for).
func TestAnEventThatWasParkedByAClockThatWasAheadIsRetried(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		right := h.now
		h.now = right.AddDate(1, 0, 0)
		h.failing["a"] = errInvalid
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		h.now = right
		delete(h.failing, "a")
		h.step(t, 1)
		h.requireStored(t, "a")
		require.Empty(t, h.parked(t))
	})
}

func TestBackoffDoublesToFiveMinutesForTwelveAttempts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errInvalid
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		var waits []float64
		for range 11 {
			all, err := h.ParkedEvents(t.Context(), "retry", 1)
			require.NoError(t, err)
			waits = append(waits, all[0].NextTry.Sub(h.now).Seconds())
			h.now = all[0].NextTry.Time
			h.step(t, 1)
		}
		require.Equal(t, []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}, waits)
		require.Equal(t, []string{"order.placed.v1 dead 12"}, h.parked(t))
		h.now = h.now.Add(24 * time.Hour)
		h.step(t, 0)
	})
}

func TestACompensationNeverDies(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errInvalid
		h.failing["b"] = retry.Permanent(errInvalid)
		h.consume(t, h.deliveries(t, orderPlaced{"a"}, orderPlaced{"b"})...)
		for range 50 {
			h.now = h.now.Add(5 * time.Minute)
			h.step(t, 2)
		}
		require.Equal(t, []string{"order.placed.v1 retry 51", "order.placed.v1 retry 51"}, h.parked(t))
		clear(h.failing)
		h.now = h.now.Add(5 * time.Minute)
		h.step(t, 2)
		h.requireStored(t, "a", "b")
	}, inbox.NeverGiveUp())
}

func TestAPermanentErrorMakesAnEventDeadAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = retry.Permanent(errInvalid)
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		require.Equal(t, []string{"order.placed.v1 dead 1"}, h.parked(t))
		require.ErrorIs(t, h.failing["a"], errInvalid)
		require.EqualError(t, h.failing["a"], "the order is invalid")
	})
}

func TestADeadLetterCanBeReplayed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = retry.Permanent(errInvalid)
		batch := h.deliveries(t, orderPlaced{"a"})
		h.consume(t, batch...)
		delete(h.failing, "a")
		h.step(t, 0)
		require.NoError(t, h.Replay(t.Context(), h.db, batch[0].ID))
		require.Equal(t, []string{"order.placed.v1 retry 0"}, h.parked(t))
		h.step(t, 1)
		h.requireStored(t, "a")
		require.Empty(t, h.parked(t))
	})
}

func TestALaterMajorCanBeReplayedAfterAnUpgrade(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, invoiceSentV2{"a"})
		before := inbox.New(inbox.Config{
			Service: "shop", DB: h.db, Now: func() time.Time { return h.now }, Log: testLogger(t),
			Handlers: []inbox.Handler{inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[invoiceSentV1]) error { return nil })},
		})
		require.NoError(t, before.Consume(t.Context(), batch))
		require.Equal(t, []string{"invoice.sent.v2 dead 1"}, h.parked(t))

		after := inbox.New(inbox.Config{
			Service: "shop", DB: h.db, Now: func() time.Time { return h.now }, Log: testLogger(t),
			Handlers: []inbox.Handler{inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[invoiceSentV2]) error {
				_, err := tx.Exec(ctx, "INSERT INTO stored (item) VALUES ($1)", r.Payload.Content)
				return err
			})},
		})
		require.NoError(t, after.Replay(t.Context(), h.db, batch[0].ID))
		n, err := after.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		h.requireStored(t, "a")
	})
}

type invoiceSentV1 struct{}

func (invoiceSentV1) EventType() string     { return "invoice.sent.v1" }
func (invoiceSentV1) CorrelationID() string { return "" }

type invoiceSentV2 struct{ Content string }

func (invoiceSentV2) EventType() string     { return "invoice.sent.v2" }
func (invoiceSentV2) CorrelationID() string { return "" }

func TestAParkedEventHoldsItsErrorAndBody(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errors.New("broken\x00 \xff badly")
		batch := h.deliveries(t, orderPlaced{"a"})
		h.consume(t, batch...)
		parked, err := h.ParkedEvent(t.Context(), batch[0].ID)
		require.NoError(t, err)
		require.Equal(t, inbox.ParkedEvent{
			EventID: batch[0].ID, Type: "order.placed.v1", State: "retry", Attempts: 1,
			LastError:   "handle order.placed.v1: broken? ? badly",
			FirstFailed: timestamp.Of(h.now), NextTry: timestamp.Of(h.now.Add(time.Second)), Body: string(batch[0].Body),
			Cause: "handle order.placed.v1: broken? ? badly", Group: parked.Group, CorrelationID: "a",
		}, parked)
	})
}

func TestAnEventThatIsNotParkedIsNotFound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		for _, id := range []string{"", "unknown", "a\x00b", "\xff"} {
			_, err := h.ParkedEvent(t.Context(), id)
			for _, err := range []error{err, h.Replay(t.Context(), h.db, id)} {
				var f *fault.Error
				require.ErrorAs(t, err, &f)
				require.Equal(t, fault.NotFound, f.Kind)
				require.Equal(t, "parked_event_not_found", f.Code)
			}
		}
	})
}

func TestParkedEventsAreListedOldestFirstByState(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"], h.failing["b"], h.failing["c"] = errInvalid, retry.Permanent(errInvalid), errInvalid
		for _, text := range []string{"a", "b", "c"} {
			h.consume(t, h.deliveries(t, orderPlaced{text})...)
			h.now = h.now.Add(time.Millisecond)
		}
		require.Equal(t, []string{"order.placed.v1 retry 1", "order.placed.v1 dead 1", "order.placed.v1 retry 1"}, h.parked(t))
		for state, want := range map[string]int{"": 3, "retry": 2, "dead": 1} {
			some, err := h.ParkedEvents(t.Context(), state, 10)
			require.NoError(t, err)
			require.Len(t, some, want)
		}
		one, err := h.ParkedEvents(t.Context(), "", 1)
		require.NoError(t, err)
		require.Len(t, one, 1)
		require.Empty(t, one[0].Body)
	})
}

func TestTwoReplicasRetryAParkedEventOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errInvalid
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		delete(h.failing, "a")
		h.now = h.now.Add(time.Second)
		// The first replica is slow: its claim has expired when it calls the
		// handler, and a second replica has handled the event.
		second := newHarness(t, h.db)
		second.now = h.now.Add(time.Hour)
		require.NoError(t, h.stepInterrupted(t, func() { second.step(t, 1) }))
		h.requireStored(t, "a")
		require.Empty(t, h.parked(t))
	})
}

func TestMetricsCountEventsByResult(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		reg := prometheus.NewRegistry()
		h.RegisterMetrics(reg)
		h.failing["b"] = errInvalid
		batch := h.deliveries(t, orderPlaced{"a"}, paymentReceived{1}, orderPlaced{"b"})
		h.consume(t, batch...)
		h.consume(t, batch...)
		h.consume(t, bus.Delivery{Message: bus.Message{ID: "x", Body: []byte("{")}})
		require.Equal(t, map[string]float64{"handled": 2, "duplicate": 3, "ignored": 0, "failed": 1, "dead": 1},
			values(t, reg, "troupe_inbox_events_total"))
		require.Equal(t, map[string]float64{"retry": 1, "dead": 1}, values(t, reg, "troupe_inbox_parked_events"))
	})
}

// values returns the values of a metric, keyed by its one label.
func values(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return got
}
