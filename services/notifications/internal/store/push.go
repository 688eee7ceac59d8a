package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/push"
)

// PushSubscription is a browser that receives the pushes of a user.
type PushSubscription struct {
	ID        string
	UserID    string
	SessionID string // it ends with the session
	push.Subscription
	Key         push.Key // that it was made with
	PausedUntil time.Time
	CreatedAt   time.Time
}

// longestPause is longer than any pause that a right clock has led to.
const longestPause = 25 * time.Hour

// IsPaused reports whether nothing is sent to the subscription at now. A pause that ends
// far ahead was stored while the clock was ahead, and is over.
func (s PushSubscription) IsPaused(now time.Time) bool {
	return now.Before(s.PausedUntil) && s.PausedUntil.Sub(now) < longestPause
}

// CurrentPushKey returns the key for new subscriptions. The first replica to call it
// creates the first key.
func CurrentPushKey(ctx context.Context, db sqldb.DB, now time.Time) (push.Key, error) {
	key, err := newestPushKey(ctx, db)
	if !errors.Is(err, sqldb.ErrNoRows) {
		return key, err
	}
	if key, err = push.NewKey(); err != nil {
		return push.Key{}, err
	}
	_, err = db.Exec(ctx, `INSERT INTO push_keys (generation, public_key, private_key, created_at) VALUES (1, $1, $2, $3)
		ON CONFLICT (generation) DO NOTHING`, key.Public, key.Private, sqldb.Micros(now))
	if err != nil {
		return push.Key{}, fmt.Errorf("save the first push key: %w", err)
	}
	return newestPushKey(ctx, db)
}

func newestPushKey(ctx context.Context, q sqldb.Querier) (push.Key, error) {
	var key push.Key
	err := q.QueryRow(ctx, "SELECT public_key, private_key FROM push_keys ORDER BY generation DESC LIMIT 1").Scan(&key.Public, &key.Private)
	if err != nil {
		return push.Key{}, fmt.Errorf("read the newest push key: %w", err)
	}
	return key, nil
}

// AddPushKey makes key the one for new subscriptions.
func AddPushKey(ctx context.Context, tx sqldb.Tx, key push.Key, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO push_keys (generation, public_key, private_key, created_at)
		SELECT COALESCE(MAX(generation), 0) + 1, $1, $2, $3 FROM push_keys`, key.Public, key.Private, sqldb.Micros(now))
	if err != nil {
		return fmt.Errorf("save a push key: %w", err)
	}
	return nil
}

// DeleteOtherPushKeys deletes all keys but one. The subscriptions that were made with them
// have ended.
func DeleteOtherPushKeys(ctx context.Context, tx sqldb.Tx, key push.Key) error {
	if _, err := tx.Exec(ctx, "DELETE FROM push_keys WHERE public_key <> $1", key.Public); err != nil {
		return fmt.Errorf("delete the earlier push keys: %w", err)
	}
	return nil
}

// DeleteEndedPushSubscriptions deletes up to limit subscriptions whose key was deleted, and
// returns how many it deleted.
func DeleteEndedPushSubscriptions(ctx context.Context, tx sqldb.Tx, limit int) (int, error) {
	n, err := tx.Exec(ctx, `DELETE FROM push_subscriptions WHERE id IN (SELECT id FROM push_subscriptions
		WHERE public_key NOT IN (SELECT public_key FROM push_keys) LIMIT $1)`, limit)
	if err != nil {
		return 0, fmt.Errorf("delete push subscriptions that have ended: %w", err)
	}
	return int(n), nil
}

// HasPushKey reports whether there is a key with this public part.
func HasPushKey(ctx context.Context, q sqldb.Querier, public string) (bool, error) {
	var n int
	if err := q.QueryRow(ctx, "SELECT count(*) FROM push_keys WHERE public_key = $1", public).Scan(&n); err != nil {
		return false, fmt.Errorf("look for a push key: %w", err)
	}
	return n > 0, nil
}

// PutPushSubscription stores a subscription in the place of one with its endpoint, and
// returns its id. One of the same user keeps its id. One of another user is replaced only
// if the keys are the same, which the browser alone knows: then another customer signed in
// there. Otherwise nothing is stored, and PutPushSubscription returns false.
func PutPushSubscription(ctx context.Context, tx sqldb.Tx, s PushSubscription) (id string, stored bool, err error) {
	p256dh, auth := s.Keys.Encoded()
	err = tx.QueryRow(ctx, `INSERT INTO push_subscriptions AS old (id, user_id, session_id, endpoint, p256dh, auth, public_key, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (endpoint) DO UPDATE SET id = CASE WHEN old.user_id = excluded.user_id THEN old.id ELSE excluded.id END,
			user_id = excluded.user_id, session_id = excluded.session_id, p256dh = excluded.p256dh, auth = excluded.auth,
			public_key = excluded.public_key, paused_until = 0, created_at = excluded.created_at
		WHERE old.user_id = excluded.user_id OR old.p256dh = excluded.p256dh AND old.auth = excluded.auth
		RETURNING id`,
		s.ID, s.UserID, s.SessionID, s.Endpoint, p256dh, auth, s.Key.Public, sqldb.Micros(s.CreatedAt)).Scan(&id)
	if errors.Is(err, sqldb.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("store a push subscription of %s: %w", s.UserID, err)
	}
	return id, true, nil
}

const selectSubscription = `SELECT s.id, s.user_id, s.session_id, s.endpoint, s.p256dh, s.auth, k.public_key, k.private_key, s.paused_until, s.created_at
	FROM push_subscriptions s JOIN push_keys k ON k.public_key = s.public_key`

func scanSubscription(row sqldb.Row) (PushSubscription, error) {
	var s PushSubscription
	var p256dh, auth string
	var paused, created int64
	err := row.Scan(&s.ID, &s.UserID, &s.SessionID, &s.Endpoint, &p256dh, &auth, &s.Key.Public, &s.Key.Private, &paused, &created)
	if err != nil {
		return s, err
	}
	s.PausedUntil, s.CreatedAt = sqldb.Time(paused), sqldb.Time(created)
	s.Keys, err = push.ParseKeys(p256dh, auth)
	return s, err
}

// PushSubscriptionsOf returns the subscriptions of a user, newest first.
func PushSubscriptionsOf(ctx context.Context, q sqldb.Querier, userID string) ([]PushSubscription, error) {
	list, err := sqldb.All(ctx, q, scanSubscription, selectSubscription+" WHERE s.user_id = $1 ORDER BY s.created_at DESC, s.id DESC", userID)
	if err != nil {
		return nil, fmt.Errorf("list the push subscriptions of %s: %w", userID, err)
	}
	return list, nil
}

// PushSubscriptions returns the subscriptions with these ids that there still are, by id.
func PushSubscriptions(ctx context.Context, q sqldb.Querier, ids []string) (map[string]PushSubscription, error) {
	found := make(map[string]PushSubscription, len(ids))
	_, err := sqldb.In(ctx, q, selectSubscription+" WHERE s.id", nil, distinct(ids), "", func(row sqldb.Row) error {
		s, err := scanSubscription(row)
		found[s.ID] = s
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %d push subscriptions: %w", len(ids), err)
	}
	return found, nil
}

// DeletePushSubscriptions deletes a user's subscriptions, or only the one with this id, and
// returns how many it deleted.
func DeletePushSubscriptions(ctx context.Context, tx sqldb.Tx, userID, id string) (int64, error) {
	n, err := tx.Exec(ctx, "DELETE FROM push_subscriptions WHERE user_id = $1 AND ($2 = '' OR id = $2)", userID, id)
	if err != nil {
		return 0, fmt.Errorf("delete push subscriptions of %s: %w", userID, err)
	}
	return n, nil
}

// EndPushSubscriptions deletes the subscriptions that were made in a session.
func EndPushSubscriptions(ctx context.Context, tx sqldb.Tx, sessionID string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM push_subscriptions WHERE session_id = $1", sessionID); err != nil {
		return fmt.Errorf("delete the push subscriptions of session %s: %w", sessionID, err)
	}
	return nil
}

// PausePushSubscriptions sets until when nothing is sent to subscriptions, and deletes those
// with the zero time. A subscription that was replaced since, with another endpoint, has
// another id.
func PausePushSubscriptions(ctx context.Context, tx sqldb.Tx, until map[string]time.Time) error {
	b := &sqldb.Batch{}
	for id, at := range until {
		if at.IsZero() {
			b.Exec(nil, "DELETE FROM push_subscriptions WHERE id = $1", id)
			continue
		}
		b.Exec(nil, "UPDATE push_subscriptions SET paused_until = $2 WHERE id = $1", id, sqldb.Micros(at))
	}
	if b.Len() == 0 {
		return nil
	}
	if err := tx.Run(ctx, b); err != nil {
		return fmt.Errorf("pause %d push subscriptions: %w", len(until), err)
	}
	return nil
}

// Overtaken returns the ids of those deliveries of pushes after which another one about
// the same order was added for the same subscription.
func Overtaken(ctx context.Context, q sqldb.Querier, ids []string) (map[string]bool, error) {
	found := map[string]bool{}
	_, err := sqldb.In(ctx, q, `SELECT DISTINCT d.id FROM deliveries d JOIN deliveries newer
		ON newer.order_id = d.order_id AND newer.target = d.target AND newer.channel = d.channel AND newer.event_id > d.event_id
		WHERE d.channel = 'push' AND d.order_id <> '' AND d.id`, nil, distinct(ids), "", func(row sqldb.Row) error {
		var id string
		err := row.Scan(&id)
		found[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for newer pushes: %w", err)
	}
	return found, nil
}
