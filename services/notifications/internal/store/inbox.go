package store

import (
	"context"
	"errors"
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
	CreatedAt time.Time // when the event happened
	ReadAt    time.Time // zero if unread
}

// AddInboxEntries adds entries to inboxes, one for each event.
func AddInboxEntries(ctx context.Context, tx sqldb.Tx, entries []InboxEntry) error {
	rows := make([][]any, len(entries))
	for i, e := range entries {
		rows[i] = append(append([]any{e.EventID, e.UserID}, noticeValues(e.Notice)...), sqldb.Micros(e.CreatedAt))
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO notices (event_id, user_id, "+noticeColumns+", created_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d inbox entries: %w", len(entries), err)
	}
	return nil
}

const selectEntry = "SELECT event_id, user_id, " + noticeColumns + ", created_at, read_at FROM notices"

func scanEntry(row sqldb.Row) (InboxEntry, error) {
	var e InboxEntry
	var created int64
	var read *int64
	fields := append(append([]any{&e.EventID, &e.UserID}, noticeFields(&e.Notice)...), &created, &read)
	if err := row.Scan(fields...); err != nil {
		return InboxEntry{}, err
	}
	e.CreatedAt = sqldb.Time(created)
	if read != nil {
		e.ReadAt = sqldb.Time(*read)
	}
	return e, nil
}

// InboxEntries returns up to limit entries of a user's inbox, newest first. before is the
// id of an entry: only older ones are returned; if it is empty, the newest are.
func InboxEntries(ctx context.Context, q sqldb.Querier, userID string, unread bool, before string, limit int) ([]InboxEntry, error) {
	where := " WHERE user_id = $1 AND ($2 = '' OR event_id < $2)"
	if unread {
		where += " AND read_at IS NULL"
	}
	list, err := sqldb.All(ctx, q, scanEntry, selectEntry+where+" ORDER BY event_id DESC LIMIT $3", userID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the inbox of %s: %w", userID, err)
	}
	return list, nil
}

// MarkRead records that a user has read an entry and returns the entry. The time of the
// first read stays. It returns false if the user has no such entry.
func MarkRead(ctx context.Context, tx sqldb.Tx, userID, eventID string, now time.Time) (InboxEntry, bool, error) {
	_, err := tx.Exec(ctx, "UPDATE notices SET read_at = $3 WHERE event_id = $1 AND user_id = $2 AND read_at IS NULL",
		eventID, userID, sqldb.Micros(now))
	if err != nil {
		return InboxEntry{}, false, fmt.Errorf("mark inbox entry %s as read: %w", eventID, err)
	}
	e, err := scanEntry(tx.QueryRow(ctx, selectEntry+" WHERE event_id = $1 AND user_id = $2", eventID, userID))
	if errors.Is(err, sqldb.ErrNoRows) {
		return InboxEntry{}, false, nil
	}
	return e, err == nil, err
}
