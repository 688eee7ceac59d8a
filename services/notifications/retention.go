package notifications

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

const deleteBatch = 500

// deleteOld deletes mails in the built-in mailbox and copies of orders that are older
// than the retention, a batch at a time. It returns how many it deleted.
func (s *service) deleteOld(ctx context.Context) (deleted int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		deleted, err = store.DeleteOld(ctx, tx, s.Now().Add(-s.MailRetention), deleteBatch)
		return err
	})
	return deleted, err
}
