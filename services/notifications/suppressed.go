package notifications

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

// addressesOf returns the addresses of recipients.
func addressesOf(recipients map[string]store.Recipient) (addresses []string) {
	for _, r := range recipients {
		if r.Email != "" {
			addresses = append(addresses, r.Email)
		}
	}
	return addresses
}

// stops reports whether a suppression stops a mail of this kind. After a complaint the
// recipient still gets what is critical.
func stops(s store.Suppression, kind string) bool {
	if s.Reason != store.Complained {
		return s.Reason != ""
	}
	category, known := preferences.CategoryOf(kind)
	return known && !category.Critical()
}

// suppressDead suppresses the addresses that the server stated not to exist.
func (s *service) suppressDead(ctx context.Context, tx sqldb.Tx, jobs []*job, held map[string]bool) error {
	for _, j := range jobs {
		if !held[j.ID] || j.attempt == nil || j.State != delivery.Rejected || !delivery.IsDeadAddress(j.attempt.Enhanced) {
			continue
		}
		if err := store.Suppress(ctx, tx, store.Suppression{
			ID: s.NewID(), Address: j.mail.To.Address, Reason: store.Bounced, Detail: truncated(j.Reply), CreatedAt: s.Now(),
		}); err != nil {
			return err
		}
	}
	return nil
}
