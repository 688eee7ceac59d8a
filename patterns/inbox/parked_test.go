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
	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

func TestAParkedEventIsTriedAgainAndThenForgotten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = errTorn
		h.hears(t, h.post(t, letterCame{"a"})...)
		h.step(t, 0) // not due yet
		h.now = h.now.Add(time.Second)
		h.step(t, 1)
		require.Equal(t, []string{"letter.came.v1 retry 2"}, h.letters(t))
		h.keeps(t)

		delete(h.torn, "a")
		h.step(t, 0)
		h.now = h.now.Add(2 * time.Second)
		h.step(t, 1)
		h.keeps(t, "a")
		require.Empty(t, h.letters(t))
	})
}

func TestWaitsDoubleToFiveMinutesAndTheTwelfthTryIsTheLast(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = errTorn
		h.hears(t, h.post(t, letterCame{"a"})...)
		var waits []float64
		for range 11 {
			all, err := h.ParkedEvents(t.Context(), "retry", 1)
			require.NoError(t, err)
			waits = append(waits, all[0].NextTry.Sub(h.now).Seconds())
			h.now = all[0].NextTry
			h.step(t, 1)
		}
		require.Equal(t, []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}, waits)
		require.Equal(t, []string{"letter.came.v1 dead 12"}, h.letters(t))
		h.now = h.now.Add(24 * time.Hour)
		h.step(t, 0)
	})
}

func TestACompensationNeverDies(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = errTorn
		h.torn["b"] = inbox.Permanent(errTorn)
		h.hears(t, h.post(t, letterCame{"a"}, letterCame{"b"})...)
		for range 50 {
			h.now = h.now.Add(5 * time.Minute)
			h.step(t, 2)
		}
		require.Equal(t, []string{"letter.came.v1 retry 51", "letter.came.v1 retry 51"}, h.letters(t))
		clear(h.torn)
		h.now = h.now.Add(5 * time.Minute)
		h.step(t, 2)
		h.keeps(t, "a", "b")
	}, inbox.NeverGiveUp())
}

func TestAPermanentErrorIsDeadAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = inbox.Permanent(errTorn)
		h.hears(t, h.post(t, letterCame{"a"})...)
		require.Equal(t, []string{"letter.came.v1 dead 1"}, h.letters(t))
		require.ErrorIs(t, h.torn["a"], errTorn)
		require.EqualError(t, h.torn["a"], "the letter is torn")
	})
}

func TestADeadLetterCanBeReplayed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = inbox.Permanent(errTorn)
		batch := h.post(t, letterCame{"a"})
		h.hears(t, batch...)
		delete(h.torn, "a")
		h.step(t, 0)
		require.NoError(t, h.Replay(t.Context(), batch[0].ID))
		require.Equal(t, []string{"letter.came.v1 retry 0"}, h.letters(t))
		h.step(t, 1)
		h.keeps(t, "a")
		require.Empty(t, h.letters(t))
	})
}

func TestALaterMajorCanBeReplayedOnceTheServiceKnowsIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		batch := h.post(t, parcelCame{"a"})
		before := inbox.New(inbox.Config{
			Service: "house", DB: h.db, Now: func() time.Time { return h.now }, Log: quiet(t),
			Handlers: []inbox.Handler{inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[parcelCameBefore]) error { return nil })},
		})
		require.NoError(t, before.Consume(t.Context(), batch))
		require.Equal(t, []string{"parcel.came.v2 dead 1"}, h.letters(t))

		after := inbox.New(inbox.Config{
			Service: "house", DB: h.db, Now: func() time.Time { return h.now }, Log: quiet(t),
			Handlers: []inbox.Handler{inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[parcelCame]) error {
				_, err := tx.Exec(ctx, "INSERT INTO kept (thing) VALUES ($1)", r.Payload.Content)
				return err
			})},
		})
		require.NoError(t, after.Replay(t.Context(), batch[0].ID))
		n, err := after.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		h.keeps(t, "a")
	})
}

type parcelCameBefore struct{}

func (parcelCameBefore) EventType() string     { return "parcel.came.v1" }
func (parcelCameBefore) CorrelationID() string { return "" }

type parcelCame struct{ Content string }

func (parcelCame) EventType() string     { return "parcel.came.v2" }
func (parcelCame) CorrelationID() string { return "" }

func TestALetterShowsWhatHappened(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = errors.New("torn\x00 \xff badly")
		batch := h.post(t, letterCame{"a"})
		h.hears(t, batch...)
		l, err := h.ParkedEvent(t.Context(), batch[0].ID)
		require.NoError(t, err)
		require.Equal(t, inbox.ParkedEvent{
			EventID: batch[0].ID, Type: "letter.came.v1", State: "retry", Attempts: 1,
			LastError:   "react to letter.came.v1: torn? ? badly",
			FirstFailed: h.now, NextTry: h.now.Add(time.Second), Body: string(batch[0].Body),
		}, l)
	})
}

func TestWhatIsNotParkedIsNotFound(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		for _, id := range []string{"", "nobody", "a\x00b", "\xff"} {
			_, err := h.ParkedEvent(t.Context(), id)
			require.True(t, fault.Is(err, fault.NotFound), "%v", err)
			err = h.Replay(t.Context(), id)
			require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		}
	})
}

func TestLettersAreListedOldestFirstByState(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"], h.torn["b"], h.torn["c"] = errTorn, inbox.Permanent(errTorn), errTorn
		for _, text := range []string{"a", "b", "c"} {
			h.hears(t, h.post(t, letterCame{text})...)
			h.now = h.now.Add(time.Millisecond)
		}
		require.Equal(t, []string{"letter.came.v1 retry 1", "letter.came.v1 dead 1", "letter.came.v1 retry 1"}, h.letters(t))
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

func TestAReplicaThatComesSecondLeavesTheEventAlone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["a"] = errTorn
		h.hears(t, h.post(t, letterCame{"a"})...)
		delete(h.torn, "a")
		h.now = h.now.Add(time.Second)
		// The first replica is slow: its claim has run out when it reacts, and
		// a second one has done the work.
		second := newHouse(t, h.db)
		second.now = h.now.Add(time.Hour)
		require.NoError(t, h.StepInterrupted(t, func() { second.step(t, 1) }))
		h.keeps(t, "a")
		require.Empty(t, h.letters(t))
	})
}

func TestMetricsCountWhatWasHeard(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		reg := prometheus.NewRegistry()
		h.RegisterMetrics(reg)
		h.torn["b"] = errTorn
		batch := h.post(t, letterCame{"a"}, coinCame{1}, letterCame{"b"})
		h.hears(t, batch...)
		h.hears(t, batch...)
		h.hears(t, bus.Delivery{Message: bus.Message{ID: "x", Body: []byte("{")}})
		require.Equal(t, map[string]float64{"handled": 2, "duplicate": 3, "ignored": 0, "failed": 1, "dead": 1},
			values(t, reg, "troupe_inbox_events_total"))
		require.Equal(t, map[string]float64{"retry": 1, "dead": 1}, values(t, reg, "troupe_inbox_parked_events"))
	})
}

// values are a metric's by the value of its one label.
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
