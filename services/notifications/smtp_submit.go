package notifications

import (
	"context"
	"errors"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/submission"
)

var errLeaseLost = errors.New("another sender has leased this mail")

// submit sends the mails that are ready, one after the other. Those that cannot be tried
// now, and those for which the time of the lease does not suffice, it releases without an
// attempt.
func (s *service) submit(ctx context.Context, of leased) {
	batch := s.servers.NewBatch()
	defer batch.Close()
	stopped := false
	for _, j := range of.jobs {
		if !j.ready {
			continue
		}
		if stopped || j.mustWait() || ctx.Err() != nil || !s.Now().Before(of.until) {
			j.release(s.Now())
			continue
		}
		r := s.submitOne(ctx, batch, j, of.lease)
		stopped = r.Stop
		if !r.Tried {
			j.release(r.Again)
			continue
		}
		mailSent.Hit()
		if r.State != delivery.Sent {
			s.Log.WarnContext(ctx, "mail not sent", "order_id", j.OrderID, "delivery", j.ID, "attempt", j.Attempts, "state", r.State, "phase", r.Phase, "about", r.About, "reply", r.Reply)
		}
		j.end(r.Attempt, s.Now())
	}
}

// submitOne makes one attempt to send a mail.
func (s *service) submitOne(ctx context.Context, batch *submission.Batch, j *job, leaseID string) submission.Result {
	ctx, span := s.startAttempt(ctx, "send mail", j.Delivery)
	r := batch.Send(ctx, j.mail, func() error { return s.markDot(ctx, j.ID, leaseID) })
	if r.Tried {
		endAttempt(span, &r.Attempt)
	} else {
		endAttempt(span, nil)
	}
	return r
}

// markDot commits that the final dot is about to be sent. It returns errLeaseLost if the
// lease is no longer held: then only the sender that holds it may send the mail.
func (s *service) markDot(ctx context.Context, id, leaseID string) error {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		held, err := store.MarkDot(ctx, tx, id, leaseID, s.Now().Add(s.dotTime()))
		if err == nil && !held {
			err = errLeaseLost
		}
		return err
	})
	mailAnnounced.Hit()
	return err
}
