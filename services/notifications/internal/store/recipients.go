package store

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
)

// Recipient is a user with an account.
type Recipient struct {
	UserID  string
	Email   string
	Name    string
	Locale  string
	Version int64 // of the account; an older one never overwrites a newer
	Deleted bool
}

// UpsertRecipient stores the data of an account, unless a newer version of it is stored
// or it was deleted, and makes the mails due that wait for its address.
func UpsertRecipient(ctx context.Context, tx sqldb.Tx, r Recipient, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO recipients (user_id, email, name, locale, version, deleted)
		VALUES ($1, $2, $3, $4, $5, FALSE)
		ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, name = excluded.name, locale = excluded.locale, version = excluded.version
		WHERE recipients.version < excluded.version AND NOT recipients.deleted`,
		r.UserID, r.Email, r.Name, r.Locale, r.Version)
	if err != nil {
		return fmt.Errorf("upsert recipient %s: %w", r.UserID, err)
	}
	_, err = tx.Exec(ctx, "UPDATE deliveries SET next_at = $2 WHERE user_id = $1 AND next_at IS NOT NULL AND state = 'waiting'",
		r.UserID, sqldb.Micros(now))
	if err != nil {
		return fmt.Errorf("wake the mails that wait for %s: %w", r.UserID, err)
	}
	return nil
}

// EraseUser erases everything that is about a user: address, inbox, orders, rendered
// mails and the server replies that may contain the address. What remains is an empty
// recipient that is marked as deleted. EraseUser returns the deliveries that will now
// never be sent; one whose final dot is being sent is not among them.
func EraseUser(ctx context.Context, tx sqldb.Tx, userID string, version int64, now time.Time) ([]Delivery, error) {
	b := &sqldb.Batch{}
	b.Exec(nil, `INSERT INTO recipients (user_id, email, name, locale, version, deleted)
		VALUES ($1, '', '', '', $2, TRUE)
		ON CONFLICT (user_id) DO UPDATE SET email = '', name = '', locale = '', version = excluded.version, deleted = TRUE`, userID, version)
	b.Exec(nil, "DELETE FROM notices WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM orders WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM mails WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE user_id = $1)", userID)
	b.Exec(nil, "UPDATE deliveries SET reply = '' WHERE user_id = $1 AND reply <> ''", userID)
	var suppressed []Delivery
	b.Query(func(row sqldb.Row) error {
		d, err := scanDelivery(row)
		suppressed = append(suppressed, d)
		return err
	}, `UPDATE deliveries SET state = 'suppressed', reply = 'the account was deleted', lease = '', next_at = NULL, updated_at = $2
		WHERE user_id = $1 AND next_at IS NOT NULL AND phase <> 'dot' RETURNING `+deliveryColumns, userID, sqldb.Micros(now))
	if err := tx.Run(ctx, b); err != nil {
		return nil, fmt.Errorf("erase user %s: %w", userID, err)
	}
	return suppressed, nil
}

// Recipients returns the recipients with these ids that are stored, by id.
func Recipients(ctx context.Context, q sqldb.Querier, userIDs []string) (map[string]Recipient, error) {
	found := make(map[string]Recipient, len(userIDs))
	_, err := sqldb.In(ctx, q, "SELECT user_id, email, name, locale, version, deleted FROM recipients WHERE user_id",
		nil, distinct(userIDs), "", func(row sqldb.Row) error {
			var r Recipient
			err := row.Scan(&r.UserID, &r.Email, &r.Name, &r.Locale, &r.Version, &r.Deleted)
			found[r.UserID] = r
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read %d recipients: %w", len(userIDs), err)
	}
	return found, nil
}
