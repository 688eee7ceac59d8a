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
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, orderPlaced{"a"}, paymentReceived{5}, orderPlaced{"b"})
		h.consume(t, batch...)
		h.consume(t, batch...)
		h.consume(t, batch[1], batch[1], batch[2])
		h.consume(t, append(h.deliveries(t, orderPlaced{"c"}), batch...)...)
		h.requireStored(t, "a", "5", "b", "c")
		require.Empty(t, h.parked(t))
	})
}

func TestADuplicateWithinABatchIsDropped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, orderPlaced{"a"}, paymentReceived{5})
		h.consume(t, batch[0], batch[1], batch[0], batch[1])
		h.requireStored(t, "a", "5")
		require.Equal(t, []string{"a", "payments 5"}, h.calls)
	})
}

func TestHandlersAreCalledInTheOrderOfArrival(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.consume(t, h.deliveries(t, paymentReceived{5}, orderPlaced{"b"}, paymentReceived{1}, orderPlaced{"a"}, paymentReceived{2})...)
		require.Equal(t, []string{"payments 5 1 2", "b", "a"}, h.calls)
	})
}

func TestAnEmptyBatchChecksTheDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.consume(t)
		lost := errors.New("connection refused")
		down := h.inboxOn(t, unavailableDB{h.db, lost, func() bool { return true }})
		require.ErrorIs(t, down.Consume(t.Context(), nil), lost)
	})
}

func TestAFailingEventIsParkedAndTheOthersAreHandled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["b"] = errInvalid
		h.panics["c"] = true
		batch := h.deliveries(t, orderPlaced{"a"}, paymentReceived{5}, orderPlaced{"b"}, paymentReceived{-1}, orderPlaced{"c"}, paymentReceived{2}, orderPlaced{"d"})
		h.consume(t, batch...)
		h.requireStored(t, "a", "5", "2", "d")
		require.ElementsMatch(t, []string{
			"order.placed.v1 retry 1", "payment.received.v1 retry 1", "order.placed.v1 retry 1",
		}, h.parked(t))

		h.consume(t, batch...)
		h.requireStored(t, "a", "5", "2", "d") // parked events are not handled again
	})
}

func TestOneBadEventAmong256IsFoundByHalving(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		payloads := make([]event.Payload, 256)
		for n := range payloads {
			payloads[n] = paymentReceived{int64(n + 1)}
		}
		payloads[100] = paymentReceived{-1}
		h.consume(t, h.deliveries(t, payloads...)...)
		require.Equal(t, []string{"payment.received.v1 retry 1"}, h.parked(t))
		require.Len(t, h.calls, 1+2*8)
	})
}

func TestAHandlerReceivesItsCauseAndTrace(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	eachDatabase(t, func(t *testing.T, h *harness) {
		var cause *event.Envelope
		var traceparent string
		in := inbox.New(inbox.Config{
			Service: "shop", DB: h.db, Now: func() time.Time { return h.now },
			Handlers: []inbox.Handler{inbox.Handle(func(ctx context.Context, _ sqldb.Tx, r inbox.Received[orderPlaced]) error {
				cause, traceparent = event.CauseFrom(ctx), telemetry.Traceparent(ctx)
				require.Equal(t, *cause, *event.CausedBy(&r.Envelope, paymentReceived{1}).Cause)
				return nil
			})},
		})
		e, err := event.New("id-1", "checkout", h.now, orderPlaced{"a"})
		require.NoError(t, err)
		e.Traceparent = trace
		require.NoError(t, in.Consume(t.Context(), []bus.Delivery{delivery(t, e)}))
		require.Equal(t, "id-1", cause.ID)
		require.Equal(t, trace, traceparent)
	})
}

func TestAnUndecodableEventIsDeadAtOnceAndStored(t *testing.T) {
	unknownMajor := `{"specversion":"1.0","id":"m2","source":"checkout","type":"order.placed.v2","data":{}}`
	badData := `{"specversion":"1.0","id":"d1","source":"checkout","type":"order.placed.v1","data":{"order":7}}`
	noID := `{"specversion":"1.0","source":"checkout","type":"order.placed.v1","data":{}}`
	laterMajor := "handles order.placed.v1 but not order.placed.v2"
	for name, test := range map[string]struct{ messageID, body, wantID, wantError string }{
		"not JSON":           {"m1", "\x00\xff garbage", "m1", "not JSON"},
		"no message id":      {"", "garbage", "sha256:795b6904", "not JSON"},
		"impossible id":      {"a\x00b", "garbage", "sha256:795b6904", "not JSON"},
		"no event id":        {"m3", noID, "m3", "no id"},
		"a later major":      {"m2", unknownMajor, "m2", laterMajor},
		"data of wrong form": {"d1", badData, "d1", "read the data of order.placed.v1"},
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, h *harness) {
				publishedAs := "order.placed.v1"
				if test.wantError == laterMajor {
					publishedAs = "order.placed.v2"
				}
				bad := bus.Delivery{Message: bus.Message{ID: test.messageID, Type: publishedAs, Body: []byte(test.body)}}
				h.consume(t, append(h.deliveries(t, orderPlaced{"a"}), bad, bad)...)
				h.consume(t, bad)
				h.requireStored(t, "a")
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

// A broker lets each service publish its own types only, but does not read bodies.
func TestAnEventPublishedAsAnotherTypeHasNoEffect(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		forged := h.deliveries(t, orderPlaced{"a"})
		forged[0].Type = "payment.received.v1"
		h.consume(t, forged...)
		require.Equal(t, []string{"payment.received.v1 dead 1"}, h.parked(t))

		require.NoError(t, h.Replay(t.Context(), h.db, forged[0].ID))
		h.step(t, 1)
		require.Equal(t, []string{"payment.received.v1 dead 1"}, h.parked(t), "a replay does not help it")
		h.requireStored(t)
	})
}

// FuzzAnyDeliveryIsHandledOrParked checks that Consume never fails because of what
// a delivery contains: an error would make the bus deliver the same bytes forever.
func FuzzAnyDeliveryIsHandledOrParked(f *testing.F) {
	f.Add("id-1", "order.placed.v1", []byte(`{"specversion":"1.0","id":"id-1","source":"checkout","type":"order.placed.v1","data":{"text":"a"}}`))
	db := sqldbtest.SQLite(f, inbox.Migrations)
	_, err := db.Exec(f.Context(), "CREATE TABLE stored (item TEXT NOT NULL)")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, eventType string, body []byte) {
		h := newHarness(t, db)
		h.consume(t, bus.Delivery{Message: bus.Message{ID: id, Type: eventType, Body: body}})
		h.now = h.now.Add(time.Hour)
		_, err := h.Step(t.Context())
		require.NoError(t, err)
	})
}

func TestAnEventOfAnUnknownTypeIsDropped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		unknown := `{"specversion":"1.0","id":"x","source":"checkout","type":"unknown.type.v1","data":{}}`
		h.consume(t, bus.Delivery{Message: bus.Message{ID: "x", Type: "unknown.type.v1", Body: []byte(unknown)}})
		require.Empty(t, h.parked(t))
	})
}

func TestARedeliveredBatchIsHandledOneByOne(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, paymentReceived{1}, paymentReceived{2}, paymentReceived{5})
		for i := range batch {
			batch[i].Attempt = 2
		}
		h.consume(t, batch...)
		require.Equal(t, []string{"payments 1", "payments 2", "payments 5"}, h.calls)
		h.requireStored(t, "1", "2", "5")
	})
}

func TestAnEventThatKillsTheProcessEndsUpDead(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, orderPlaced{"fatal"}, orderPlaced{"harmless"})
		for i := range batch {
			batch[i].Attempt = 10
		}
		h.consume(t, batch...)
		require.Empty(t, h.calls, "nothing was tried")
		require.Equal(t, []string{"order.placed.v1 retry 0", "order.placed.v1 retry 0"}, h.parked(t))

		died := errors.New("the process died")
		for range 12 {
			h.now = h.now.Add(5 * time.Minute)
			for range 2 { // the second step handles the harmless event, unless it came first
				crashing := h.inboxOn(t, unavailableDB{h.db, died, func() bool { return len(h.calls) > 0 && h.calls[len(h.calls)-1] == "fatal" }})
				_, err := crashing.Step(t.Context())
				if err != nil {
					require.ErrorIs(t, err, died)
				}
				h.calls = nil
			}
		}
		h.now = h.now.Add(5 * time.Minute)
		h.step(t, 1)
		require.Empty(t, h.calls, "it is not tried a thirteenth time")
		h.requireStored(t, "harmless")
		require.Equal(t, []string{"order.placed.v1 dead 12"}, h.parked(t))
	})
}

// unavailableDB is a database that fails once down returns true, and loses
// everything that is not committed then.
type unavailableDB struct {
	sqldb.DB
	err  error
	down func() bool
}

func (d unavailableDB) Tx(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	if d.down() {
		return d.err
	}
	return d.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		err := fn(ctx, tx)
		if d.down() {
			return d.err
		}
		return err
	})
}

func (d unavailableDB) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if d.down() {
		return 0, d.err
	}
	return d.DB.Exec(ctx, sql, args...)
}

func (d unavailableDB) Ping(ctx context.Context) error {
	if d.down() {
		return d.err
	}
	return d.DB.Ping(ctx)
}

func TestALostDatabaseParksNothingAndIsAskedOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		var payloads []event.Payload
		var all []string
		for n := range 64 {
			payloads = append(payloads, orderPlaced{fmt.Sprint(n)})
			all = append(all, fmt.Sprint(n))
		}
		batch := h.deliveries(t, payloads...)
		lost, refusals := errors.New("connection refused"), 0
		flaky := h.inboxOn(t, unavailableDB{h.db, lost, func() bool {
			if len(h.calls) >= 2 {
				refusals++
			}
			return len(h.calls) >= 2
		}})
		require.ErrorIs(t, flaky.Consume(t.Context(), batch), lost)
		require.LessOrEqual(t, refusals, 2, "one for the transaction, one for the ping that follows")
		require.Empty(t, h.parked(t))

		h.consume(t, batch...)
		h.requireStored(t, all...)
	})
}

func TestAShutdownParksNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		ctx, cancel := context.WithCancel(t.Context())
		h.beforeEach = cancel
		batch := h.deliveries(t, orderPlaced{"a"}, orderPlaced{"b"})
		require.ErrorIs(t, h.Consume(ctx, batch), context.Canceled)
		require.Empty(t, h.parked(t))
		h.requireStored(t)
	})
}

func TestTwoHandlersForOneTypePanic(t *testing.T) {
	t.Parallel()
	nothing := inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[orderPlaced]) error { return nil })
	require.PanicsWithValue(t, "inbox: shop has two handlers for order.placed.v1", func() {
		inbox.New(inbox.Config{Service: "shop", Handlers: []inbox.Handler{nothing, nothing}})
	})
}

func TestHandledEventsArePrunedAfterTwoWeeks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["parked"] = errInvalid
		old := h.at(t, h.now, orderPlaced{"old"})
		parked := h.at(t, h.now, orderPlaced{"parked"})
		h.consume(t, old, parked)
		late := h.at(t, h.now, orderPlaced{"late"}) // published at the same time, consumed a week later
		h.now = h.now.Add(7 * 24 * time.Hour)
		h.consume(t, late)
		h.now = h.now.Add(7*24*time.Hour + time.Second)
		fresh := h.at(t, h.now, orderPlaced{"new"})
		h.consume(t, fresh)

		prune := h.Workers()[1]
		n, err := prune.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)

		h.consume(t, old, parked, late, fresh)
		h.requireStored(t, "old", "old", "late", "new")
	})
}

// at returns a delivery whose id contains the time when, as UUIDv7 do.
func (h *harness) at(t *testing.T, when time.Time, payload event.Payload) bus.Delivery {
	t.Helper()
	id := fmt.Sprintf("%012x", when.UnixMilli())
	e, err := event.New(id[:8]+"-"+id[8:]+"-7"+uuid.NewString()[15:], "checkout", when, payload)
	require.NoError(t, err)
	return delivery(t, e)
}

// What is published again for one consumer is none of the others' business.
func TestAnEventForAnotherConsumerIsDropped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		batch := h.deliveries(t, orderPlaced{"o1"}, orderPlaced{"o2"})
		for i, recipient := range []string{"billing", "shop"} {
			e, err := event.Decode(batch[i].Body)
			require.NoError(t, err)
			e.Recipient = recipient
			batch[i].Body, err = event.Encode(e)
			require.NoError(t, err)
		}
		require.NoError(t, h.Consume(t.Context(), batch))
		require.Equal(t, []string{"o2"}, h.calls)
	})
}
