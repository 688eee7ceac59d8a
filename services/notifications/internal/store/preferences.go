package store

import (
	"context"
	"fmt"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/preferences"
)

// Preferences returns the preferences of a user.
func Preferences(ctx context.Context, q sqldb.Querier, userID string) (preferences.Preferences, error) {
	var p preferences.Preferences
	b := &sqldb.Batch{}
	queryPreferences(b, []any{userID}, func(string) *preferences.Preferences { return &p })
	if err := q.Run(ctx, b); err != nil {
		return p, fmt.Errorf("read the preferences of %s: %w", userID, err)
	}
	return p, nil
}

// queryPreferences adds the queries for the preferences of users, which go where of
// points.
func queryPreferences(b *sqldb.Batch, userIDs []any, of func(userID string) *preferences.Preferences) {
	b.QueryIn("SELECT user_id, category, email, push, inbox, digest FROM preferences WHERE user_id", nil, userIDs, "",
		func(row sqldb.Row) error {
			var userID string
			var category preferences.Category
			var c preferences.Choice
			err := row.Scan(&userID, &category, &c.Email, &c.Push, &c.Inbox, &c.Digest)
			p := of(userID)
			if p.Choices == nil {
				p.Choices = map[preferences.Category]preferences.Choice{}
			}
			p.Choices[category] = c
			return err
		})
	b.QueryIn("SELECT user_id, time_zone, from_minute, to_minute FROM quiet_hours WHERE user_id", nil, userIDs, "",
		func(row sqldb.Row) error {
			var userID, zone string
			var from, to *int
			err := row.Scan(&userID, &zone, &from, &to)
			p := of(userID)
			p.TimeZone = zone
			if from != nil && to != nil {
				p.Quiet = &preferences.Hours{From: *from, To: *to}
			}
			return err
		})
}

const upsertChoice = `INSERT INTO preferences (user_id, category, email, push, inbox, digest) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (user_id, category) DO UPDATE SET email = excluded.email, push = excluded.push, inbox = excluded.inbox, digest = excluded.digest`

// SetPreferences replaces the preferences of a user.
func SetPreferences(ctx context.Context, tx sqldb.Tx, userID string, p preferences.Preferences) error {
	b := &sqldb.Batch{}
	for _, c := range preferences.Categories {
		choice := p.Of(c)
		b.Exec(nil, upsertChoice, userID, string(c), choice.Email, choice.Push, choice.Inbox, string(choice.Digest))
	}
	var from, to *int
	if p.Quiet != nil {
		from, to = &p.Quiet.From, &p.Quiet.To
	}
	b.Exec(nil, `INSERT INTO quiet_hours (user_id, time_zone, from_minute, to_minute) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET time_zone = excluded.time_zone, from_minute = excluded.from_minute, to_minute = excluded.to_minute`,
		userID, p.TimeZone, from, to)
	if err := tx.Run(ctx, b); err != nil {
		return fmt.Errorf("set the preferences of %s: %w", userID, err)
	}
	return nil
}

// AdmitUser returns whether data about a user may be stored, which it may not once the
// account is deleted. Until the transaction ends, it keeps EraseUser and others who admit
// the user waiting. A user whose account is not known yet gets an empty recipient, which
// Recipients leaves out.
func AdmitUser(ctx context.Context, tx sqldb.Tx, userID string) (bool, error) {
	var deleted bool
	err := tx.QueryRow(ctx, `INSERT INTO recipients (user_id, email, name, locale, version, deleted) VALUES ($1, '', '', '', -1, FALSE)
		ON CONFLICT (user_id) DO UPDATE SET version = recipients.version RETURNING deleted`, userID).Scan(&deleted)
	if err != nil {
		return false, fmt.Errorf("admit user %s: %w", userID, err)
	}
	return !deleted, nil
}
