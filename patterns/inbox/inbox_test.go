package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/platform/telemetry"
)

func TestEachEventTakesEffectOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		batch := h.post(t, letterCame{"a"}, coinCame{5}, letterCame{"b"})
		h.hears(t, batch...)
		h.hears(t, batch...)
		h.hears(t, batch[1], batch[1], batch[2])
		h.hears(t, append(h.post(t, letterCame{"c"}), batch...)...)
		h.keeps(t, "a", "5", "b", "c")
		require.Empty(t, h.letters(t))
	})
}

func TestTwoOfOneIDInABatchAreOne(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		batch := h.post(t, letterCame{"a"}, coinCame{5})
		h.hears(t, batch[0], batch[1], batch[0], batch[1])
		h.keeps(t, "a", "5")
		require.Equal(t, []string{"a", "coins 5"}, h.calls)
	})
}

func TestReactionsAreCalledInTheOrderOfArrival(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.hears(t, h.post(t, coinCame{5}, letterCame{"b"}, coinCame{1}, letterCame{"a"}, coinCame{2})...)
		require.Equal(t, []string{"coins 5 1 2", "b", "a"}, h.calls)
	})
}

func TestAnEmptyBatchAsksForTheDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.hears(t)
		lost := errors.New("connection refused")
		down := h.inboxOn(t, dying{h.db, lost, func() bool { return true }})
		require.ErrorIs(t, down.Consume(t.Context(), nil), lost)
	})
}

func TestOneThatFailsIsParkedAndItsNeighboursNeverNotice(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["b"] = errTorn
		h.panics["c"] = true
		batch := h.post(t, letterCame{"a"}, coinCame{5}, letterCame{"b"}, coinCame{-1}, letterCame{"c"}, coinCame{2}, letterCame{"d"})
		h.hears(t, batch...)
		h.keeps(t, "a", "5", "2", "d")
		require.ElementsMatch(t, []string{
			"letter.came.v1 retry 1", "coin.came.v1 retry 1", "letter.came.v1 retry 1",
		}, h.letters(t))

		h.hears(t, batch...)
		h.keeps(t, "a", "5", "2", "d") // parked events are not heard again
	})
}

func TestAPoisonousOneAmongManyIsFoundInAFewSteps(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		facts := make([]event.Payload, 256)
		for n := range facts {
			facts[n] = coinCame{int64(n + 1)}
		}
		facts[100] = coinCame{-1}
		h.hears(t, h.post(t, facts...)...)
		require.Equal(t, []string{"coin.came.v1 retry 1"}, h.letters(t))
		require.Len(t, h.calls, 1+2*8)
	})
}

func TestAReactionKnowsItsCauseAndTrace(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	eachDatabase(t, func(t *testing.T, h *house) {
		var cause *event.Envelope
		var traceparent string
		in := inbox.New(inbox.Config{
			Service: "house", DB: h.db, Now: func() time.Time { return h.now },
			Handlers: []inbox.Handler{inbox.Handle(func(ctx context.Context, _ sqldb.Tx, r inbox.Received[letterCame]) error {
				cause, traceparent = event.CauseFrom(ctx), telemetry.Traceparent(ctx)
				require.Equal(t, *cause, *event.CausedBy(&r.Envelope, coinCame{1}).Cause)
				return nil
			})},
		})
		e, err := event.New("id-1", "post", h.now, letterCame{"a"})
		require.NoError(t, err)
		e.Traceparent = trace
		require.NoError(t, in.Consume(t.Context(), []bus.Delivery{delivery(t, e)}))
		require.Equal(t, "id-1", cause.ID)
		require.Equal(t, trace, traceparent)
	})
}

func TestWhatCanNotBeReadIsDeadAtOnceAndKept(t *testing.T) {
	unknownMajor := `{"specversion":"1.0","id":"m2","source":"post","type":"letter.came.v2","data":{}}`
	badData := `{"specversion":"1.0","id":"d1","source":"post","type":"letter.came.v1","data":{"text":7}}`
	noID := `{"specversion":"1.0","source":"post","type":"letter.came.v1","data":{}}`
	for name, test := range map[string]struct{ messageID, body, wantID, wantError string }{
		"no JSON":            {"m1", "\x00\xff garbage", "m1", "not JSON"},
		"no message id":      {"", "garbage", "sha256:795b6904", "not JSON"},
		"impossible id":      {"a\x00b", "garbage", "sha256:795b6904", "not JSON"},
		"no event id":        {"m3", noID, "m3", "no id"},
		"a later major":      {"m2", unknownMajor, "m2", "knows letter.came.v1 but not letter.came.v2"},
		"data of wrong form": {"d1", badData, "d1", "read the data of letter.came.v1"},
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, h *house) {
				bad := bus.Delivery{Message: bus.Message{ID: test.messageID, Type: "letter.came.v1", Body: []byte(test.body)}}
				h.hears(t, append(h.post(t, letterCame{"a"}), bad, bad)...)
				h.hears(t, bad)
				h.keeps(t, "a")
				dead, err := h.ParkedEvents(t.Context(), "dead", 10)
				require.NoError(t, err)
				require.Len(t, dead, 1)
				require.Contains(t, dead[0].EventID, test.wantID)
				require.Contains(t, dead[0].LastError, test.wantError)
				whole, err := h.ParkedEvent(t.Context(), dead[0].EventID)
				require.NoError(t, err)
				require.Equal(t, test.body, whole.Body)
			})
		})
	}
}

// FuzzWhateverComesIsTakenIn: an error would have the bus hand the same bytes out
// for ever.
func FuzzWhateverComesIsTakenIn(f *testing.F) {
	f.Add("id-1", "letter.came.v1", []byte(`{"specversion":"1.0","id":"id-1","source":"post","type":"letter.came.v1","data":{"text":"a"}}`))
	db := sqldbtest.SQLite(f, inbox.Migrations)
	_, err := db.Exec(f.Context(), "CREATE TABLE kept (thing TEXT NOT NULL)")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, eventType string, body []byte) {
		h := newHouse(t, db)
		h.hears(t, bus.Delivery{Message: bus.Message{ID: id, Type: eventType, Body: body}})
		h.now = h.now.Add(time.Hour)
		_, err := h.Step(t.Context())
		require.NoError(t, err)
	})
}

func TestATypeThatNobodyKnowsIsDropped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		strange := `{"specversion":"1.0","id":"x","source":"post","type":"dragon.came.v1","data":{}}`
		h.hears(t, bus.Delivery{Message: bus.Message{ID: "x", Type: "dragon.came.v1", Body: []byte(strange)}})
		require.Empty(t, h.letters(t))
	})
}

func TestABatchHandedOutBeforeIsHandledOneByOne(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		batch := h.post(t, coinCame{1}, coinCame{2}, coinCame{5})
		for i := range batch {
			batch[i].Attempt = 2
		}
		h.hears(t, batch...)
		require.Equal(t, []string{"coins 1", "coins 2", "coins 5"}, h.calls)
		h.keeps(t, "1", "2", "5")
	})
}

func TestAnEventThatKillsTheProcessEndsUpDeadAndItsNeighbourHandled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		batch := h.post(t, letterCame{"bomb"}, letterCame{"neighbour"})
		for i := range batch {
			batch[i].Attempt = 10
		}
		h.hears(t, batch...)
		require.Empty(t, h.calls, "nothing was tried")
		require.Equal(t, []string{"letter.came.v1 retry 0", "letter.came.v1 retry 0"}, h.letters(t))

		died := errors.New("the process died")
		for range 12 {
			h.now = h.now.Add(5 * time.Minute)
			for range 2 { // the second step takes the neighbour, if it was not first
				mortal := h.inboxOn(t, dying{h.db, died, func() bool { return len(h.calls) > 0 && h.calls[len(h.calls)-1] == "bomb" }})
				_, err := mortal.Step(t.Context())
				if err != nil {
					require.ErrorIs(t, err, died)
				}
				h.calls = nil
			}
		}
		h.now = h.now.Add(5 * time.Minute)
		h.step(t, 1)
		require.Empty(t, h.calls, "it was not tried a thirteenth time")
		h.keeps(t, "neighbour")
		require.Equal(t, []string{"letter.came.v1 dead 12"}, h.letters(t))
	})
}

// dying is a database that is gone, with all uncommitted, once dead holds.
type dying struct {
	sqldb.DB
	err  error
	dead func() bool
}

func (d dying) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	if d.dead() {
		return d.err
	}
	return d.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := fn(ctx, tx)
		if d.dead() {
			return d.err
		}
		return err
	})
}

func (d dying) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if d.dead() {
		return 0, d.err
	}
	return d.DB.Exec(ctx, sql, args...)
}

func (d dying) Ping(ctx context.Context) error {
	if d.dead() {
		return d.err
	}
	return d.DB.Ping(ctx)
}

func TestALostDatabaseParksNothingAndIsNotAskedForEachEvent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		var facts []event.Payload
		var all []string
		for n := range 64 {
			facts = append(facts, letterCame{fmt.Sprint(n)})
			all = append(all, fmt.Sprint(n))
		}
		batch := h.post(t, facts...)
		lost, refusals := errors.New("connection refused"), 0
		flaky := h.inboxOn(t, dying{h.db, lost, func() bool {
			if len(h.calls) >= 2 {
				refusals++
			}
			return len(h.calls) >= 2
		}})
		require.ErrorIs(t, flaky.Consume(t.Context(), batch), lost)
		require.LessOrEqual(t, refusals, 2, "the transaction, and the question whether the database is there")
		require.Empty(t, h.letters(t))

		h.hears(t, batch...)
		h.keeps(t, all...)
	})
}

func TestAShutdownParksNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		ctx, cancel := context.WithCancel(t.Context())
		h.onTry = cancel
		batch := h.post(t, letterCame{"a"}, letterCame{"b"})
		require.ErrorIs(t, h.Consume(ctx, batch), context.Canceled)
		require.Empty(t, h.letters(t))
		h.keeps(t)
	})
}

func TestTwoReactionsToOneTypeAreAMistake(t *testing.T) {
	t.Parallel()
	nothing := inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[letterCame]) error { return nil })
	require.PanicsWithValue(t, "inbox: house has two reactions to letter.came.v1", func() {
		inbox.New(inbox.Config{Service: "house", Handlers: []inbox.Handler{nothing, nothing}})
	})
}

func TestHandledEventsAreForgottenAfterTwoWeeks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *house) {
		h.torn["parked"] = errTorn
		old := h.at(t, h.now, letterCame{"old"})
		parked := h.at(t, h.now, letterCame{"parked"})
		h.hears(t, old, parked)
		late := h.at(t, h.now, letterCame{"late"}) // said at the same time, heard a week later
		h.now = h.now.Add(7 * 24 * time.Hour)
		h.hears(t, late)
		h.now = h.now.Add(7*24*time.Hour + time.Second)
		fresh := h.at(t, h.now, letterCame{"new"})
		h.hears(t, fresh)

		prune := h.Workers()[1]
		n, err := prune.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)

		h.hears(t, old, parked, late, fresh)
		h.keeps(t, "old", "old", "late", "new")
	})
}

// at is a delivery whose id tells that time, as UUIDv7 do.
func (h *house) at(t *testing.T, when time.Time, fact event.Payload) bus.Delivery {
	t.Helper()
	id := fmt.Sprintf("%012x", when.UnixMilli())
	e, err := event.New(id[:8]+"-"+id[8:]+"-7"+uuid.NewString()[15:], "post", when, fact)
	require.NoError(t, err)
	return delivery(t, e)
}
