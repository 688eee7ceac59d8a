package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
)

// InboxEntry is an entry of a user's inbox.
type InboxEntry struct {
	EventID string // the id of the entry and of the event that caused it
	UserID  string
	content.Notice
	Position  int64     // in the inbox; set by AddInboxEntries
	CreatedAt time.Time // when the event happened
	ReadAt    time.Time // zero if unread
}

// AddInboxEntries adds entries to inboxes, one for each event, with the positions that
// follow. If another transaction has added one meanwhile, tx is run again.
func AddInboxEntries(ctx context.Context, tx sqldb.Tx, entries []InboxEntry) error {
	left := map[string]int64{}
	for _, e := range entries {
		left[e.UserID]++
	}
	last, err := advance(ctx, tx, left)
	if err != nil {
		return err
	}
	rows := make([][]any, len(entries))
	for i, e := range entries {
		left[e.UserID]--
		rows[i] = append(append([]any{e.EventID, e.UserID, last[e.UserID] - left[e.UserID]}, noticeValues(e.Notice)...), sqldb.Micros(e.CreatedAt))
	}
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO notices (event_id, user_id, position, "+noticeColumns+", created_at)", rows, "", nil); err != nil {
		return fmt.Errorf("add %d inbox entries: %w", len(entries), err)
	}
	return nil
}

// HandledEvents returns those of the events that have led to an entry, a delivery, or a
// notice that is held back, or on purpose to none of them.
func HandledEvents(ctx context.Context, q sqldb.Querier, ids []string) (map[string]bool, error) {
	handled := map[string]bool{}
	b := &sqldb.Batch{}
	for _, table := range []string{"notices", "deliveries", "held_notices", "silent_events"} {
		b.QueryIn("SELECT event_id FROM "+table+" WHERE event_id", nil, distinct(ids), "", addID(handled))
	}
	if err := q.Run(ctx, b); err != nil {
		return nil, fmt.Errorf("look %d events up: %w", len(ids), err)
	}
	return handled, nil
}

// AddSilentEvents records events that led to no notice.
func AddSilentEvents(ctx context.Context, tx sqldb.Tx, ids []string, now time.Time) error {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id, sqldb.Micros(now)}
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO silent_events (event_id, handled_at)", rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("record %d events without a notice: %w", len(ids), err)
	}
	return nil
}

// DeleteSilentEvents deletes what was recorded before a time.
func DeleteSilentEvents(ctx context.Context, tx sqldb.Tx, before time.Time, limit int) (int, error) {
	n, err := tx.Exec(ctx, `DELETE FROM silent_events WHERE event_id IN (
		SELECT event_id FROM silent_events WHERE handled_at < $1 ORDER BY handled_at LIMIT $2)`, sqldb.Micros(before), limit)
	if err != nil {
		return 0, fmt.Errorf("delete events without a notice: %w", err)
	}
	return int(n), nil
}

const selectEntry = "SELECT event_id, user_id, position, " + noticeColumns + ", created_at, read_at FROM notices"

func scanEntry(row sqldb.Row) (InboxEntry, error) {
	var e InboxEntry
	var created int64
	var read *int64
	fields := append(append([]any{&e.EventID, &e.UserID, &e.Position}, noticeFields(&e.Notice)...), &created, &read)
	if err := row.Scan(fields...); err != nil {
		return InboxEntry{}, err
	}
	e.CreatedAt = sqldb.Time(created)
	if read != nil {
		e.ReadAt = sqldb.Time(*read)
	}
	return e, nil
}

// InboxFilter selects entries of a user's inbox. Empty fields select all.
type InboxFilter struct {
	UserID  string // required
	OrderID string
	Unread  bool
	Before  string // the id of an entry: only older ones are returned
	Limit   int    // required
}

// InboxEntries returns the entries of a user's inbox that match the filter, newest first.
func InboxEntries(ctx context.Context, q sqldb.Querier, f InboxFilter) ([]InboxEntry, error) {
	where := " WHERE user_id = $1 AND ($2 = '' OR event_id < $2) AND ($3 = '' OR order_id = $3)"
	if f.Unread {
		where += " AND read_at IS NULL"
	}
	list, err := sqldb.All(ctx, q, scanEntry, selectEntry+where+" ORDER BY event_id DESC LIMIT $4",
		f.UserID, f.Before, f.OrderID, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list the inbox of %s: %w", f.UserID, err)
	}
	return list, nil
}

// MarkRead records that a user has read an entry, and returns the entry and whether that
// changed it. The time of the first read stays. It returns sqldb.ErrNoRows if the user has
// no such entry.
func MarkRead(ctx context.Context, tx sqldb.Tx, userID, eventID string, now time.Time) (e InboxEntry, changed bool, err error) {
	n, err := tx.Exec(ctx, "UPDATE notices SET read_at = $3 WHERE event_id = $1 AND user_id = $2 AND read_at IS NULL",
		eventID, userID, sqldb.Micros(now))
	if err == nil {
		err = advanceRead(ctx, tx, userID, n)
	}
	if err != nil {
		return InboxEntry{}, false, fmt.Errorf("mark inbox entry %s as read: %w", eventID, err)
	}
	e, err = scanEntry(tx.QueryRow(ctx, selectEntry+" WHERE event_id = $1 AND user_id = $2", eventID, userID))
	return e, n > 0, err
}

// HasEntry reports whether a user has an entry with the id.
func HasEntry(ctx context.Context, q sqldb.Querier, userID, eventID string) (bool, error) {
	var n int
	err := q.QueryRow(ctx, "SELECT COUNT(*) FROM notices WHERE event_id = $1 AND user_id = $2", eventID, userID).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for inbox entry %s: %w", eventID, err)
	}
	return n > 0, nil
}

// MarkAllRead records that a user has read all entries up to the one with the id, "" for
// all, and returns how many that changed.
func MarkAllRead(ctx context.Context, tx sqldb.Tx, userID, upTo string, now time.Time) (int64, error) {
	n, err := tx.Exec(ctx, "UPDATE notices SET read_at = $2 WHERE user_id = $1 AND read_at IS NULL AND ($3 = '' OR event_id <= $3)",
		userID, sqldb.Micros(now), upTo)
	if err == nil {
		err = advanceRead(ctx, tx, userID, n)
	}
	if err != nil {
		return 0, fmt.Errorf("mark the inbox of %s as read: %w", userID, err)
	}
	return n, nil
}

// advanceRead uses a position if n entries were read, so that live streams on all replicas
// find that the number of unread entries has changed.
func advanceRead(ctx context.Context, tx sqldb.Tx, userID string, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := advance(ctx, tx, map[string]int64{userID: 1})
	return err
}
