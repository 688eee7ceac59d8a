package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// ForgetTimelines deletes the timelines of orders that were finished and have not changed
// since before. It looks at the next orders after an id, at most limit of them, in the order
// of their ids, which is that in which they were placed. It returns the last id that it has
// looked at, "" if there was none, and how many timelines it has deleted.
func ForgetTimelines(ctx context.Context, tx sqldb.Tx, after string, before time.Time, limit int) (last string, forgotten int, err error) {
	var finished []any
	_, err = sqldb.All(ctx, tx, func(r sqldb.Row) (none struct{}, err error) {
		var isFinished bool
		if err = r.Scan(&last, &isFinished); isFinished {
			finished = append(finished, last)
		}
		return none, err
	}, `SELECT id, finished_as <> '' AND updated_at < $1 FROM orders WHERE id > $2 AND id < $3 ORDER BY id LIMIT $4`,
		sqldb.Micros(before), after, timestamp.FirstID(before), limit)
	if err != nil {
		return "", 0, fmt.Errorf("look for orders whose timelines are old: %w", err)
	}
	deleted, err := sqldb.In(ctx, tx, "UPDATE orders SET timeline = '' WHERE timeline <> '' AND id", nil, finished, "", nil)
	if err != nil {
		return "", 0, fmt.Errorf("delete timelines of orders: %w", err)
	}
	earlier, err := sqldb.In(ctx, tx, "DELETE FROM order_timeline WHERE NOT pending AND order_id", nil, finished, "", nil)
	if err != nil {
		return "", 0, fmt.Errorf("delete timelines of orders of earlier versions: %w", err)
	}
	return last, int(deleted + earlier), nil
}
