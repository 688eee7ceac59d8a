package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// maxBacklog is up to how many unfinished orders are counted.
const maxBacklog = 100_000

// Backlog is how many orders are unfinished, which means undecided, or confirmed and not
// paid; and how many of them were placed long ago.
type Backlog struct {
	All, Old, StillOld, Stuck int
	Deadline                  time.Time // that of the oldest; the zero time if there is none
}

// Bounds are the times before which orders were placed to be counted in the fields of
// Backlog, as deadlines: the deadlines are what is indexed.
type Bounds struct{ Old, StillOld, Stuck time.Time }

// CountUnfinished counts the unfinished orders, oldest first and up to 100,000.
func CountUnfinished(ctx context.Context, q sqldb.Querier, b Bounds) (n Backlog, err error) {
	var first int64
	err = q.QueryRow(ctx, `SELECT count(*), COALESCE(min(deadline_at), 0), COALESCE(sum(CASE WHEN deadline_at <= $1 THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN deadline_at <= $2 THEN 1 ELSE 0 END), 0), COALESCE(sum(CASE WHEN deadline_at <= $3 THEN 1 ELSE 0 END), 0)
		FROM (SELECT deadline_at FROM orders WHERE finished_as = ''
		ORDER BY deadline_at LIMIT $4) AS unfinished`,
		sqldb.Micros(b.Old), sqldb.Micros(b.StillOld), sqldb.Micros(b.Stuck), maxBacklog).Scan(&n.All, &first, &n.Old, &n.StillOld, &n.Stuck)
	if first != 0 {
		n.Deadline = sqldb.Time(first)
	}
	return n, err
}

// Undecided adds to b the query for the lines of a customer's undecided orders, of at
// most limit of them. each is called with the lines of every order.
func Undecided(b *sqldb.Batch, userID string, limit int, each func([]order.Line)) {
	b.Query(func(r sqldb.Row) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		var lines []order.Line
		if err := json.Unmarshal([]byte(text), &lines); err != nil {
			return fmt.Errorf("decode lines of an order of %s: %w", userID, err)
		}
		each(lines)
		return nil
	}, "SELECT lines FROM orders WHERE user_id = $1 AND finished_as = '' AND status = 'pending' LIMIT $2", userID, limit)
}
