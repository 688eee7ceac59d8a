package store

import (
	"context"
	"fmt"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/preferences"
)

// Member is what must be known of a user to notify them.
type Member struct {
	Deleted     bool
	Preferences preferences.Preferences
	Targets     []string // the ids of their push subscriptions
}

// Audience returns what must be known of users, by id, in one round trip.
func Audience(ctx context.Context, q sqldb.Querier, userIDs []string) (map[string]*Member, error) {
	return audience(ctx, q, userIDs, "")
}

// LockAudience is Audience, and keeps EraseUser waiting until tx ends: what tx stores about
// a user is erased too.
func LockAudience(ctx context.Context, tx sqldb.Tx, userIDs []string) (map[string]*Member, error) {
	return audience(ctx, tx, userIDs, "ORDER BY user_id"+tx.ForShare())
}

func audience(ctx context.Context, q sqldb.Querier, userIDs []string, lock string) (map[string]*Member, error) {
	members := make(map[string]*Member, len(userIDs))
	member := func(id string) *Member {
		if members[id] == nil {
			members[id] = &Member{}
		}
		return members[id]
	}
	for _, id := range userIDs {
		member(id)
	}
	ids := distinct(userIDs)
	b := &sqldb.Batch{}
	b.QueryIn("SELECT user_id, deleted FROM recipients WHERE user_id", nil, ids, lock, func(row sqldb.Row) error {
		var id string
		var deleted bool
		err := row.Scan(&id, &deleted)
		member(id).Deleted = deleted
		return err
	})
	queryPreferences(b, ids, func(id string) *preferences.Preferences { return &member(id).Preferences })
	b.QueryIn("SELECT user_id, id FROM push_subscriptions WHERE user_id", nil, ids, "", func(row sqldb.Row) error {
		var id, target string
		err := row.Scan(&id, &target)
		member(id).Targets = append(member(id).Targets, target)
		return err
	})
	if err := q.Run(ctx, b); err != nil {
		return nil, fmt.Errorf("read what %d users have chosen: %w", len(ids), err)
	}
	return members, nil
}
