package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"troupe/platform/sqldb"
)

// advance adds the numbers of entries to the positions of the users' inboxes, and returns
// the new positions. The rows stay locked until tx ends, so that positions become visible
// in their order.
func advance(ctx context.Context, tx sqldb.Tx, entries map[string]int64) (map[string]int64, error) {
	rows := make([][]any, 0, len(entries))
	for userID, n := range entries {
		rows = append(rows, []any{userID, n})
	}
	slices.SortFunc(rows, func(a, b []any) int { // in one order, so that replicas do not wait for each other in a circle
		if a[0].(string) < b[0].(string) {
			return -1
		}
		return 1
	})
	positions := make(map[string]int64, len(rows))
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO inbox_positions (user_id, position)", rows,
		"ON CONFLICT (user_id) DO UPDATE SET position = inbox_positions.position + excluded.position RETURNING user_id, position",
		func(row sqldb.Row) error {
			var userID string
			var position int64
			err := row.Scan(&userID, &position)
			positions[userID] = position
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("advance the positions of %d inboxes: %w", len(entries), err)
	}
	return positions, nil
}

// Positions returns the positions of the users' inboxes, by user.
func Positions(ctx context.Context, q sqldb.Querier, userIDs []string) (map[string]int64, error) {
	positions := make(map[string]int64, len(userIDs))
	_, err := sqldb.In(ctx, q, "SELECT user_id, position FROM inbox_positions WHERE user_id", nil, distinct(userIDs), "",
		func(row sqldb.Row) error {
			var userID string
			var position int64
			err := row.Scan(&userID, &position)
			positions[userID] = position
			return err
		})
	return positions, err
}

// EntriesAfter returns up to limit entries of a user's inbox that follow a position, in
// the order of their positions.
func EntriesAfter(ctx context.Context, q sqldb.Querier, userID string, position int64, limit int) ([]InboxEntry, error) {
	list, err := sqldb.All(ctx, q, scanEntry,
		selectEntry+" WHERE user_id = $1 AND position > $2 AND position > 0 ORDER BY position LIMIT $3", userID, position, limit)
	if err != nil {
		return nil, fmt.Errorf("list the inbox of %s after %d: %w", userID, position, err)
	}
	return list, nil
}

// CountUnread returns how many entries of a user's inbox are unread.
func CountUnread(ctx context.Context, q sqldb.Querier, userID string) (int, error) {
	var n int
	if err := q.QueryRow(ctx, "SELECT COUNT(*) FROM notices WHERE user_id = $1 AND read_at IS NULL", userID).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the unread entries of %s: %w", userID, err)
	}
	return n, nil
}

// unnumberedBatch is how many entries NumberEntries numbers at a time.
const unnumberedBatch = 256

// NumberEntries gives positions to entries that an earlier version of the service has
// added during a rollout, and returns their users.
func NumberEntries(ctx context.Context, tx sqldb.Tx) ([]string, error) {
	type entry struct{ id, userID string }
	list, err := sqldb.All(ctx, tx, func(row sqldb.Row) (e entry, err error) {
		err = row.Scan(&e.id, &e.userID)
		return e, err
	}, "SELECT event_id, user_id FROM notices WHERE position = 0 ORDER BY event_id LIMIT $1"+tx.SkipLocked(), unnumberedBatch)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	counts := map[string]int64{}
	for _, e := range list {
		counts[e.userID]++
	}
	last, err := advance(ctx, tx, counts)
	if err != nil {
		return nil, err
	}
	b := &sqldb.Batch{}
	users := make([]string, len(list))
	for i, e := range list {
		counts[e.userID]--
		b.Exec(nil, "UPDATE notices SET position = $2 WHERE event_id = $1", e.id, last[e.userID]-counts[e.userID])
		users[i] = e.userID
	}
	return users, tx.Run(ctx, b)
}

// PositionOf returns the position of a user's inbox, 0 for one without entries.
func PositionOf(ctx context.Context, q sqldb.Querier, userID string) (int64, error) {
	var position int64
	err := q.QueryRow(ctx, "SELECT position FROM inbox_positions WHERE user_id = $1", userID).Scan(&position)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return 0, fmt.Errorf("read the position of the inbox of %s: %w", userID, err)
	}
	return position, nil
}
