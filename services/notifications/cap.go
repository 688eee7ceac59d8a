package notifications

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

// freeKinds are the kinds of mail that a stranger can cause at no cost: by registering an
// address that is not theirs, and by placing orders that are not paid. Mails that follow a
// payment are never left out.
var freeKinds = map[string]bool{"user.registered": true, "order.created": true, "order.cancelled": true}

// securityKinds are those of sign-ins and passwords, which a stranger can cause too, with
// an account at an address that is not theirs. They have a count of their own, so that
// free mails cannot suppress them.
var securityKinds = map[string]bool{"user.signed_in_on_new_device": true, "user.password_changed": true}

// countedAs returns the name under which a mail is counted.
func countedAs(j *job) string {
	if securityKinds[j.Kind] {
		return "security " + j.mail.To.Address
	}
	return j.mail.To.Address
}

// capMails suppresses the free mails that are too many for their address in this hour. The
// customer's inbox has their content. Only the first attempt of a mail counts; see uncount.
func (s *service) capMails(ctx context.Context, jobs []*job) error {
	var counted []*job
	var names []string
	for _, j := range jobs {
		if j.counted = s.isCapped(j); j.counted {
			counted, names = append(counted, j), append(names, countedAs(j))
		}
	}
	beyond, err := s.count(ctx, names, s.MailsPerHour)
	for i, j := range counted {
		if err == nil && beyond[i] {
			s.suppress(ctx, j)
		}
	}
	return err
}

// freePushes are the kinds of push that a customer, or a thief of their session, can cause at
// no cost.
var freePushes = map[string]bool{"order.created": true, "order.cancelled": true, "payment.declined": true}

// capPushes suppresses the free pushes that are too many for their browser in this hour.
func (s *service) capPushes(ctx context.Context, jobs []*pushJob) error {
	var counted []*pushJob
	var names []string
	for _, j := range jobs {
		if s.PushesPerHour > 0 && j.ready && j.Attempts == 1 && freePushes[j.Kind] {
			counted, names = append(counted, j), append(names, "push "+j.Target)
		}
	}
	beyond, err := s.count(ctx, names, s.PushesPerHour)
	for i, j := range counted {
		if err == nil && beyond[i] {
			j.ready = false
			j.suppress(fmt.Sprintf("more than %d pushes to this browser in an hour", s.PushesPerHour))
		}
	}
	return err
}

// count counts each of the names in this hour, and returns which of them are beyond a limit.
func (s *service) count(ctx context.Context, names []string, limit int) ([]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	counted := map[string]int64{}
	for _, name := range names {
		counted[name]++
	}
	var sums map[string]int64
	err := s.DB.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		sums, err = store.CountMails(ctx, tx, counted, s.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	beyond := make([]bool, len(names))
	for i, name := range names {
		beyond[i] = sums[name]-counted[name] >= int64(limit)
		counted[name]-- // the next one of the name has one more before it
	}
	return beyond, nil
}

// uncount takes back the counts of the mails that are queued again without an attempt: the
// next sender that leases them counts them.
func uncount(ctx context.Context, tx sqldb.Tx, jobs []*job, now time.Time) error {
	released := map[string]int64{}
	for _, j := range jobs {
		if j.counted && j.released {
			released[countedAs(j)]--
		}
	}
	if len(released) == 0 {
		return nil
	}
	_, err := store.CountMails(ctx, tx, released, now)
	return err
}

func (s *service) isCapped(j *job) bool {
	return s.MailsPerHour > 0 && j.ready && j.Attempts == 1 && (freeKinds[j.Kind] || securityKinds[j.Kind])
}

func (s *service) suppress(ctx context.Context, j *job) {
	j.ready = false
	j.State, j.NextAt = delivery.Suppressed, time.Time{}
	j.Reply = fmt.Sprintf("more than %d mails to this address in an hour", s.MailsPerHour)
	s.Log.WarnContext(ctx, "a mail was left out because its recipient got too many in an hour", "user", j.UserID, "order_id", j.OrderID, "kind", j.Kind)
}
