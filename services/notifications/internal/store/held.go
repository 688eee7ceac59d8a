package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
)

// HeldNotice is a notice that is held back for a digest, or until the quiet hours end.
type HeldNotice struct {
	EventID     string
	Traceparent string
	Channel     string
	UserID      string
	content.Notice
	DueAt time.Time
}

// HoldNotices holds notices back. One that was held back before stays as it is.
func HoldNotices(ctx context.Context, tx sqldb.Tx, notices []HeldNotice) error {
	rows := make([][]any, len(notices))
	for i, n := range notices {
		rows[i] = append(append([]any{n.EventID, n.Traceparent, n.Channel, n.UserID}, noticeValues(n.Notice)...), sqldb.Micros(n.DueAt))
	}
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO held_notices (event_id, traceparent, channel, user_id, "+noticeColumns+", due_at)",
		rows, "ON CONFLICT DO NOTHING", nil)
	if err != nil {
		return fmt.Errorf("hold back %d notices: %w", len(notices), err)
	}
	return nil
}

func scanHeld(row sqldb.Row) (HeldNotice, error) {
	var n HeldNotice
	var due int64
	err := row.Scan(append(append([]any{&n.EventID, &n.Traceparent, &n.Channel, &n.UserID}, noticeFields(&n.Notice)...), &due)...)
	n.DueAt = sqldb.Time(due)
	return n, err
}

// DueNotices returns up to limit notices that are due, of one user and channel, oldest
// first. It locks them for the transaction. The first one stands for them all: while another
// transaction has locked it, the others are left out too, so that they stay in one digest.
func DueNotices(ctx context.Context, tx sqldb.Tx, now time.Time, limit int) ([]HeldNotice, error) {
	const columns = "SELECT event_id, traceparent, channel, user_id, " + noticeColumns + ", due_at FROM held_notices WHERE digest = '' AND due_at <= $1"
	first, err := sqldb.All(ctx, tx, scanHeld, columns+` AND NOT EXISTS (SELECT 1 FROM held_notices e WHERE e.user_id = held_notices.user_id
		AND e.channel = held_notices.channel AND e.digest = '' AND e.due_at <= $1 AND e.event_id < held_notices.event_id)
		ORDER BY due_at LIMIT 1`+tx.SkipLocked(), sqldb.Micros(now))
	if err != nil || len(first) == 0 {
		return nil, err
	}
	due, err := sqldb.All(ctx, tx, scanHeld, columns+" AND user_id = $2 AND channel = $3 ORDER BY event_id LIMIT $4"+tx.SkipLocked(),
		sqldb.Micros(now), first[0].UserID, first[0].Channel, limit)
	if err != nil {
		return nil, fmt.Errorf("read notices that are due: %w", err)
	}
	return due, nil
}

// Release makes notices part of the delivery for the event digest. With an empty digest
// it deletes them.
func Release(ctx context.Context, tx sqldb.Tx, notices []HeldNotice, digest string) error {
	b := &sqldb.Batch{}
	for _, n := range notices {
		key := []any{n.EventID, n.Kind, n.Channel, n.UserID}
		if digest == "" {
			b.Exec(nil, "DELETE FROM held_notices WHERE event_id = $1 AND kind = $2 AND channel = $3 AND user_id = $4", key...)
			continue
		}
		b.Exec(nil, "UPDATE held_notices SET digest = $5 WHERE event_id = $1 AND kind = $2 AND channel = $3 AND user_id = $4", append(key, digest)...)
	}
	if b.Len() == 0 {
		return nil
	}
	if err := tx.Run(ctx, b); err != nil {
		return fmt.Errorf("release %d notices: %w", len(notices), err)
	}
	return nil
}

// DigestNotices returns the notices of digests by their delivery's event, oldest first.
func DigestNotices(ctx context.Context, q sqldb.Querier, channel string, events []string) (map[string][]content.Notice, error) {
	found := map[string][]content.Notice{}
	_, err := sqldb.In(ctx, q, "SELECT digest, "+noticeColumns+" FROM held_notices WHERE channel = $1 AND digest",
		[]any{channel}, distinct(events), "ORDER BY event_id", func(row sqldb.Row) error {
			var digest string
			var n content.Notice
			err := row.Scan(append([]any{&digest}, noticeFields(&n)...)...)
			found[digest] = append(found[digest], n)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the notices of %d digests: %w", len(events), err)
	}
	return found, nil
}

// DeleteReleased deletes up to limit notices whose deliveries have ended and that were due
// before a time. It returns how many it deleted.
func DeleteReleased(ctx context.Context, tx sqldb.Tx, before time.Time, limit int) (int, error) {
	n, err := tx.Exec(ctx, `DELETE FROM held_notices WHERE digest <> '' AND (event_id, kind, channel, user_id) IN (
		SELECT h.event_id, h.kind, h.channel, h.user_id FROM held_notices h WHERE h.digest <> '' AND h.due_at < $1
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = h.digest AND `+pending("d")+`)
		ORDER BY h.due_at LIMIT $2)`, sqldb.Micros(before), limit)
	if err != nil {
		return 0, fmt.Errorf("delete notices that were sent: %w", err)
	}
	return int(n), nil
}
