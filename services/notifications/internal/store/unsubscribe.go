package store

import (
	"context"
	"fmt"

	"troupe/platform/sqldb"
)

// StopMails switches the mails of a category off for a user, and leaves the other channels
// as they are. It reports whether that changed anything.
func StopMails(ctx context.Context, tx sqldb.Tx, userID, category string) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO preferences (user_id, category, email, push, inbox, digest) VALUES ($1, $2, FALSE, TRUE, TRUE, 'off')
		ON CONFLICT (user_id, category) DO UPDATE SET email = FALSE WHERE preferences.email`, userID, category)
	if err != nil {
		return false, fmt.Errorf("stop the mails about %s to %s: %w", category, userID, err)
	}
	return n == 1, nil
}
