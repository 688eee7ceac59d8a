package inbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// desk is a service that stores orders under their own key, and counts those that are new.
type desk struct {
	*harness
	fresh int // orders that were new
	calls int // events that reached the handler
}

func eachDesk(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "CREATE TABLE stored (item TEXT PRIMARY KEY)")
		require.NoError(t, err)
		d := &desk{harness: newHarness(t, db)}
		d.Inbox = inbox.New(inbox.Config{
			Service: "shop", DB: db, Now: func() time.Time { return d.now }, Log: testLogger(t), Jitter: func() float64 { return 1 },
			Handlers: []inbox.Handler{
				handleBatch(d.upsertOrders, inbox.Idempotent()),
				inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[paymentReceived]) error {
					return d.storePayments(ctx, tx, []inbox.Received[paymentReceived]{r})
				}),
			},
		})
		test(t, d)
	}, inbox.Migrations)
}

func (d *desk) upsertOrders(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[orderPlaced]) error {
	for _, r := range rs {
		d.calls++
		if err := d.failing[r.Payload.Order]; err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "INSERT INTO stored (item) VALUES ($1) ON CONFLICT DO NOTHING", r.Payload.Order)
		if err != nil {
			return err
		}
		d.fresh += int(n)
	}
	return nil
}

// rows returns how many events the table inbox holds.
func (d *desk) rows(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, d.db.QueryRow(t.Context(), "SELECT count(*) FROM inbox").Scan(&n))
	return n
}

func TestAnIdempotentHandlerNeedsNoRow(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		batch := d.deliveries(t, orderPlaced{"a"}, paymentReceived{5}, orderPlaced{"b"}, paymentReceived{6}, orderPlaced{"c"})
		d.consume(t, batch...)
		require.Equal(t, 2, d.rows(t), "only the payments have rows")
		d.consume(t, batch...)
		d.consume(t, batch[4], batch[3], batch[0], batch[0])
		d.requireStored(t, "a", "b", "c", "5", "6")
		require.Equal(t, 3, d.fresh)
		require.Equal(t, 3+3+2, d.calls, "duplicates reach the handler, unless they are in one batch")
		require.Equal(t, 2, d.rows(t))
	})
}

func TestAFailingEventOfAnIdempotentHandlerIsParkedOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.failing["b"] = errInvalid
		batch := d.deliveries(t, orderPlaced{"a"}, orderPlaced{"b"}, paymentReceived{5}, orderPlaced{"c"})
		d.consume(t, batch...)
		d.consume(t, batch...)
		require.Equal(t, []string{"order.placed.v1 retry 1"}, d.parked(t))
		d.requireStored(t, "a", "c", "5")

		delete(d.failing, "b")
		d.consume(t, batch[1]) // delivered again before it is retried
		d.requireStored(t, "a", "b", "c", "5")
		d.now = d.now.Add(time.Minute)
		d.step(t, 1)
		require.Empty(t, d.parked(t))
		d.requireStored(t, "a", "b", "c", "5")
	})
}

// During a rollout a replica of an earlier version has handled the event, with a row.
func TestAnEventWithARowReachesAnIdempotentHandler(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		e, err := event.New(uuid.Must(uuid.NewV7()).String(), "checkout", d.now, orderPlaced{"a"})
		require.NoError(t, err)
		_, err = d.db.Exec(t.Context(), "INSERT INTO inbox (event_id, consumer, handled_at) VALUES ($1, 'shop', 0)", e.ID)
		require.NoError(t, err)
		d.consume(t, []bus.Delivery{delivery(t, e)}...)
		d.requireStored(t, "a")
	})
}
