package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
)

// ReleaseHeld makes all deliveries of a channel due at once that the server refused for a
// reason that met every mail.
func ReleaseHeld(ctx context.Context, tx sqldb.Tx, channel string, now time.Time) error {
	var subjects []any
	for _, s := range delivery.SharedSubjects {
		subjects = append(subjects, string(s))
	}
	_, err := sqldb.In(ctx, tx, "UPDATE deliveries SET next_at = $1 WHERE next_at > $1 AND state = 'deferred' AND channel = $2 AND about",
		[]any{sqldb.Micros(now), channel}, subjects, "", nil)
	if err != nil {
		return fmt.Errorf("release the mails that the server had refused: %w", err)
	}
	return nil
}

// Kinds returns the kinds of the deliveries over a channel about each of the orders.
func Kinds(ctx context.Context, q sqldb.Querier, channel string, orderIDs []string) (map[string][]string, error) {
	kinds := map[string][]string{}
	_, err := sqldb.In(ctx, q, "SELECT order_id, kind FROM deliveries WHERE channel = $1 AND order_id",
		[]any{channel}, distinct(orderIDs), "", func(row sqldb.Row) error {
			var order, kind string
			err := row.Scan(&order, &kind)
			kinds[order] = append(kinds[order], kind)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the kinds of mail about %d orders: %w", len(orderIDs), err)
	}
	return kinds, nil
}

// Return records that a mail which a server had accepted came back. It returns false if
// there is no such mail, or if no server accepted it. The report may come before the sender
// has recorded the server's reply.
func Return(ctx context.Context, tx sqldb.Tx, id string, state delivery.State, reply string, now time.Time) (Delivery, bool, error) {
	list, err := sqldb.All(ctx, tx, scanDelivery, `UPDATE deliveries SET state = $2, reply = $3, about = 'mailbox', next_at = NULL, lease = '', phase = '', updated_at = $4
		WHERE id = $1 AND channel = 'email' AND (state IN ('sent', 'unknown') OR phase = 'dot') RETURNING `+deliveryColumns, id, string(state), reply, sqldb.Micros(now))
	if err != nil {
		return Delivery{}, false, fmt.Errorf("record that mail %s was returned: %w", id, err)
	}
	if len(list) == 0 {
		return Delivery{}, false, nil
	}
	return list[0], true, nil
}
