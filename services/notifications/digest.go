package notifications

import (
	"context"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

// digestSize is how many notices one digest has at most.
const digestSize = 50

// sendHeld queues the notices of one user and channel that were held back and are due:
// one as it is, several as a digest. It returns how many notices it handled. All of it is
// one transaction, so a crash neither loses nor doubles any.
func (s *service) sendHeld(ctx context.Context) (handled int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		due, err := store.DueNotices(ctx, tx, s.Now(), digestSize)
		handled = len(due)
		if err != nil || len(due) == 0 {
			return err
		}
		audience, err := store.Audience(ctx, tx, []string{due[0].UserID})
		if err != nil {
			return err
		}
		return s.release(ctx, tx, due, *audience[due[0].UserID])
	})
	return handled, err
}

// release queues notices of one user and channel, except for those that the user has
// switched off since.
func (s *service) release(ctx context.Context, tx sqldb.Tx, due []store.HeldNotice, m store.Member) error {
	channel, targets := preferences.Channels{Email: true}, []string{""}
	if due[0].Channel == delivery.Push {
		channel, targets = preferences.Channels{Push: true}, m.Targets
	}
	var wanted, unwanted []store.HeldNotice
	for _, n := range due {
		if m.Preferences.Allows(n.Kind, channel) && len(targets) > 0 {
			wanted = append(wanted, n)
		} else {
			unwanted = append(unwanted, n)
		}
	}
	if err := store.Release(ctx, tx, unwanted, ""); err != nil || len(wanted) == 0 {
		return err
	}
	first := wanted[0]
	if len(wanted) > 1 {
		first.Notice = content.Notice{Kind: content.DigestKind}
	}
	if err := store.Release(ctx, tx, wanted, first.EventID); err != nil {
		return err
	}
	now := s.Now()
	return s.addDeliveries(ctx, tx, s.deliveriesOf(first, targets, now), now)
}

// digestNotices returns the notices of the digests among deliveries of one channel, by
// the event of the delivery.
func (s *service) digestNotices(ctx context.Context, channel string, deliveries []store.Delivery) (map[string][]content.Notice, error) {
	var events []string
	for _, d := range deliveries {
		if d.Kind == content.DigestKind {
			events = append(events, d.EventID)
		}
	}
	if len(events) == 0 {
		return nil, nil
	}
	return store.DigestNotices(ctx, s.DB, channel, events)
}

// readDigests sets the notices of the digests among the jobs.
func (s *service) readDigests(ctx context.Context, jobs []*job) error {
	deliveries := make([]store.Delivery, len(jobs))
	for i, j := range jobs {
		deliveries[i] = j.Delivery
	}
	digests, err := s.digestNotices(ctx, delivery.Email, deliveries)
	for _, j := range jobs {
		j.digest = digests[j.EventID]
	}
	return err
}
