package notifications

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

const deleteBatch = 500

// deleteOld deletes mails in the built-in mailbox, copies of orders, notices of digests
// and events without a notice that are older than the retention, and push subscriptions that have ended, a batch at a
// time. It returns how many it deleted. It
// also wakes deliveries that a wrong clock has put off.
func (s *service) deleteOld(ctx context.Context) (deleted int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := store.DeleteCounts(ctx, tx, s.Now()); err != nil {
			return err
		}
		if err := store.WakeFarAhead(ctx, tx, s.Now()); err != nil {
			return err
		}
		before := s.Now().Add(-s.MailRetention)
		if deleted, err = store.DeleteOld(ctx, tx, before, deleteBatch); err != nil {
			return err
		}
		released, err := store.DeleteReleased(ctx, tx, before, deleteBatch)
		if err != nil {
			return err
		}
		silent, err := store.DeleteSilentEvents(ctx, tx, before, deleteBatch)
		if err != nil {
			return err
		}
		ended, err := store.DeleteEndedPushSubscriptions(ctx, tx, deleteBatch)
		deleted += released + silent + ended
		return err
	})
	return deleted, err
}
