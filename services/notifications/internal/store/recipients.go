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
// or it was deleted, and makes the mails due that wait for its address. The earlier
// address is erased from the suppression list, where its hash stays.
func UpsertRecipient(ctx context.Context, tx sqldb.Tx, r Recipient, now time.Time) error {
	known, err := Recipients(ctx, tx, []string{r.UserID})
	if err != nil {
		return err
	}
	if before := known[r.UserID]; before.Email != "" && before.Version < r.Version && hashOf(before.Email) != hashOf(r.Email) {
		if err := eraseAddress(ctx, tx, before.Email); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO recipients (user_id, email, name, locale, version, deleted)
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

// NoRecipients reports whether the address of no account is known.
func NoRecipients(ctx context.Context, q sqldb.Querier) (bool, error) {
	var n int
	if err := q.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM recipients WHERE version >= 0 LIMIT 1) AS one").Scan(&n); err != nil {
		return false, fmt.Errorf("look for recipients: %w", err)
	}
	return n == 0, nil
}

const accountDeleted = "the account was deleted"

// EraseUser erases everything that is about a user: address, inbox, orders, preferences,
// push subscriptions, rendered mails and the server replies that may contain the address.
// What remains is an empty recipient that is marked as deleted. EraseUser returns the deliveries that will now
// never be sent; one whose final dot is being sent is not among them.
func EraseUser(ctx context.Context, tx sqldb.Tx, userID string, version int64, now time.Time) ([]Delivery, error) {
	known, err := Recipients(ctx, tx, []string{userID})
	if err != nil {
		return nil, err
	}
	b := &sqldb.Batch{}
	b.Exec(nil, `INSERT INTO recipients (user_id, email, name, locale, version, deleted)
		VALUES ($1, '', '', '', $2, TRUE)
		ON CONFLICT (user_id) DO UPDATE SET email = '', name = '', locale = '', version = excluded.version, deleted = TRUE`, userID, version)
	// The deliveries first: a sender that records an outcome has ended then, or records nothing.
	var suppressed []Delivery
	b.Query(func(row sqldb.Row) error {
		d, err := scanDelivery(row)
		suppressed = append(suppressed, d)
		return err
	}, `UPDATE deliveries SET state = 'suppressed', reply = $3, lease = '', next_at = NULL, updated_at = $2
		WHERE user_id = $1 AND `+pending("deliveries")+` AND phase <> 'dot' RETURNING `+deliveryColumns, userID, sqldb.Micros(now), accountDeleted)
	b.Exec(nil, "UPDATE deliveries SET reply = '' WHERE user_id = $1 AND reply NOT IN ('', $2)", userID, accountDeleted)
	b.Exec(nil, "DELETE FROM notices WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM inbox_positions WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM orders WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM mails WHERE delivery_id IN (SELECT id FROM deliveries WHERE user_id = $1)", userID)
	b.Exec(nil, "DELETE FROM preferences WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM quiet_hours WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM push_subscriptions WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM held_notices WHERE user_id = $1", userID)
	b.Exec(nil, "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE user_id = $1)", userID)
	if err := tx.Run(ctx, b); err != nil {
		return nil, fmt.Errorf("erase user %s: %w", userID, err)
	}
	return suppressed, eraseAddress(ctx, tx, known[userID].Email)
}

// Recipients returns the recipients with these ids whose account is known, by id.
func Recipients(ctx context.Context, q sqldb.Querier, userIDs []string) (map[string]Recipient, error) {
	found := make(map[string]Recipient, len(userIDs))
	_, err := sqldb.In(ctx, q, "SELECT user_id, email, name, locale, version, deleted FROM recipients WHERE version >= 0 AND user_id",
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
