package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/message"
)

// Notice is an entry of somebody's inbox.
type Notice struct {
	EventID string // its id, and the event it tells of
	UserID  string
	message.Notice
	CreatedAt time.Time // when the event happened
	ReadAt    time.Time // zero if unread
}

// AddNotices puts entries into inboxes, each event's once.
func AddNotices(ctx context.Context, tx sqldb.Tx, notices []Notice) error {
	rows := make([][]any, len(notices))
	for i, n := range notices {
		rows[i] = append(append([]any{n.EventID, n.UserID}, noticeArgs(n.Notice)...), sqldb.Micros(n.CreatedAt))
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO notices (event_id, user_id, "+noticeColumns+", created_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("add %d notices: %w", len(notices), err)
	}
	return nil
}

const selectNotice = "SELECT event_id, user_id, " + noticeColumns + ", created_at, read_at FROM notices"

func scanNotice(row sqldb.Row) (Notice, error) {
	var n Notice
	var created int64
	var read *int64
	into := append(append([]any{&n.EventID, &n.UserID}, noticeInto(&n.Notice)...), &created, &read)
	if err := row.Scan(into...); err != nil {
		return Notice{}, err
	}
	n.CreatedAt = sqldb.Time(created)
	if read != nil {
		n.ReadAt = sqldb.Time(*read)
	}
	return n, nil
}

// Inbox lists a user's notices older than the one named before, newest first; ""
// begins with the newest.
func Inbox(ctx context.Context, q sqldb.Querier, userID string, unread bool, before string, limit int) ([]Notice, error) {
	where := " WHERE user_id = $1 AND ($2 = '' OR event_id < $2)"
	if unread {
		where += " AND read_at IS NULL"
	}
	list, err := sqldb.All(ctx, q, scanNotice, selectNotice+where+" ORDER BY event_id DESC LIMIT $3", userID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the inbox of %s: %w", userID, err)
	}
	return list, nil
}

// MarkRead notes that a user read a notice, once, and gives it. False if the user
// has no such notice.
func MarkRead(ctx context.Context, tx sqldb.Tx, userID, eventID string, now time.Time) (Notice, bool, error) {
	_, err := tx.Exec(ctx, "UPDATE notices SET read_at = $3 WHERE event_id = $1 AND user_id = $2 AND read_at IS NULL",
		eventID, userID, sqldb.Micros(now))
	if err != nil {
		return Notice{}, false, fmt.Errorf("mark notice %s as read: %w", eventID, err)
	}
	n, err := scanNotice(tx.QueryRow(ctx, selectNotice+" WHERE event_id = $1 AND user_id = $2", eventID, userID))
	if errors.Is(err, sqldb.ErrNoRows) {
		return Notice{}, false, nil
	}
	return n, err == nil, err
}
