package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/timeline"
)

// placedAt returns an order that was placed at a time, with a timeline.
func placedAt(at time.Time, n int, status order.Status) *order.Order {
	o := ended(timestamp.FirstID(at)+fmt.Sprintf("-7000-8000-%012d", n), "ada", status, true)
	o.CreatedAt, o.UpdatedAt = at, at
	o.Timeline.Add(timeline.Entry{EventID: "a", At: at, Type: "order.created.v1"})
	return o
}

func TestOldTimelinesOfFinishedOrdersAreForgotten(t *testing.T) {
	onEach(t, func(ctx context.Context, t *testing.T, db sqldb.DB) {
		old, recent := noon.Add(-48*time.Hour), noon.Add(-time.Hour)
		changed := placedAt(old, 4, order.Delivered)
		changed.UpdatedAt = recent
		unpaid := placedAt(old, 5, order.Confirmed)
		unpaid.Paid = false
		orders := []*order.Order{
			placedAt(old, 1, order.Delivered), placedAt(old, 2, order.Cancelled), placedAt(old, 3, order.Pending),
			changed, unpaid, placedAt(old, 6, order.Confirmed), placedAt(recent, 7, order.Delivered),
		}
		require.NoError(t, Insert(ctx, db, orders))
		_, err := db.Exec(ctx, `INSERT INTO order_timeline (order_id, id, at, what, who, detail, cause, traceparent, pending)
			VALUES ($1, 'x', $2, 'earlier version', '', '', '', '', FALSE), ($1, 'y', $2, 'waits', '', '', '', '', TRUE)`, orders[0].ID, sqldb.Micros(old))
		require.NoError(t, err)

		looked, deleted := 0, 0
		for last := ""; ; looked++ {
			var n int
			require.NoError(t, db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
				last, n, err = ForgetTimelines(ctx, tx, last, noon.Add(-24*time.Hour), 2)
				return err
			}))
			if deleted += n; last == "" {
				break
			}
		}
		require.Equal(t, 3, looked, "two orders at a time, without the recent one")
		require.Equal(t, 4, deleted, "three timelines, and one entry of an earlier version")
		var kept []int
		for i, o := range orders {
			entries, err := Timeline(ctx, db, o.ID)
			require.NoError(t, err)
			if len(entries) > 0 {
				kept = append(kept, i+1)
			}
		}
		require.Equal(t, []int{3, 4, 5, 7}, kept)
	})
}
