package notifications

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/store"
)

const eraseBatch = 500

// eraseMails erases rendered mails, and what we remember of orders, once they
// are older than the retention, a bounded number at a time.
func (s *service) eraseMails(ctx context.Context) (erased int, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		erased, err = store.Erase(ctx, tx, s.now().Add(-s.retention), eraseBatch)
		return err
	})
	return erased, err
}
