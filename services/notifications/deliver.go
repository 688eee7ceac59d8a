package notifications

import (
	"context"
	"fmt"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/mail"
	"troupe/services/notifications/internal/message"
	"troupe/services/notifications/internal/store"
)

const (
	mailboxBatch = 256             // one transaction's worth
	smtpBatch    = 50              // so that a slow server does not hold many leases
	lease        = 5 * time.Minute // how long a batch is ours; what is not begun by then, others may take
	settleLimit  = 10 * time.Second
)

// job is one leased delivery on its way through a step.
type job struct {
	store.Delivery
	mail mail.Message // if ready
	// ready: there is a mail to be sent. Otherwise Delivery says already how it ends.
	ready bool
	// tried is how the attempt to send it ended, if there was one.
	tried *delivery.Attempt
}

// deliver sends one batch of due mails: leases them in one transaction, renders
// and sends outside of any, and records in another what became of each, with
// the facts about it. A crash in between costs nothing but the time of the lease.
func (s *service) deliver(ctx context.Context) (int, error) {
	held := s.newID()
	jobs, err := s.claim(ctx, held)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	mailsClaimed.Hit()
	if err := s.prepare(ctx, jobs); err != nil {
		return 0, err
	}
	if s.server == nil {
		s.keep(jobs)
	} else {
		s.submit(ctx, held, jobs)
	}
	// What was sent must be recorded, or it is sent again: stopping has to wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	return len(jobs), s.settle(ctx, held, jobs)
}

func (s *service) claim(ctx context.Context, held string) ([]*job, error) {
	limit := mailboxBatch
	if s.server != nil {
		limit = smtpBatch
	}
	var jobs []*job
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := s.now()
		due, err := store.Claim(ctx, tx, delivery.Email, held, now, now.Add(lease), limit)
		jobs = make([]*job, len(due))
		for i, d := range due {
			jobs[i] = &job{Delivery: d}
		}
		return err
	})
	return jobs, err
}

// prepare renders each mail, or says why there is none to be sent.
func (s *service) prepare(ctx context.Context, jobs []*job) error {
	var userIDs, orderIDs []string
	for _, j := range jobs {
		userIDs = append(userIDs, j.UserID)
		if j.OrderID != "" {
			orderIDs = append(orderIDs, j.OrderID)
		}
	}
	recipients, err := store.Recipients(ctx, s.db, userIDs)
	if err != nil {
		return err
	}
	orders, err := store.Orders(ctx, s.db, orderIDs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		r, known := recipients[j.UserID]
		switch {
		case j.Phase == delivery.Dot:
			j.end(delivery.Attempt{Phase: delivery.Dot, State: delivery.Unknown, Reply: "the sender vanished while it waited for the server's verdict"}, s.now())
		case !known:
			j.wait(s.now())
		case r.Deleted:
			j.State, j.NextAt, j.Reply = delivery.Suppressed, time.Time{}, "the account was deleted"
		default:
			s.render(j, r, orders[j.OrderID])
		}
	}
	return nil
}

// render makes j ready. A mail that can not be made will not be by trying again.
func (s *service) render(j *job, r store.Recipient, order *message.Order) {
	to, err := mail.Address(r.Name, r.Email)
	var content message.Content
	if err == nil {
		content, err = s.renderer.Mail(message.Recipient{Name: r.Name, Locale: r.Locale}, j.Notice, order)
	}
	if err != nil {
		j.end(delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, Reply: err.Error()}, s.now())
		return
	}
	j.ready = true
	j.mail = mail.Message{
		ID: j.ID, From: s.from, To: to, Date: j.CreatedAt,
		Subject: content.Subject, Text: content.Text, HTML: content.HTML,
	}
}

// keep has all ready mails go into the mailbox; settle stores them.
func (s *service) keep(jobs []*job) {
	for _, j := range jobs {
		if j.ready {
			j.State, j.NextAt = delivery.Sent, time.Time{}
		}
	}
}

// end makes an attempt's end the delivery's.
func (j *job) end(a delivery.Attempt, now time.Time) {
	j.tried = &a
	j.Reply = a.Reply
	j.State, j.NextAt = delivery.Next(j.ID, j.Attempts, a.State, now, j.ExpiresAt)
}

// wait leaves j until the recipient's address is known. That wait has no end, so
// the mail's term begins after it.
func (j *job) wait(now time.Time) {
	j.State, j.NextAt, j.Reply = delivery.Waiting, now.Add(delivery.Recheck), "no address yet"
	j.ExpiresAt = j.NextAt.Add(delivery.MaxAge)
	j.Attempts--
}

// giveBack leaves j, untried, to whoever comes next.
func (j *job) giveBack(now time.Time) {
	j.State, j.NextAt = delivery.Queued, now
	j.Attempts--
}

// settle records what became of the jobs, and says so.
func (s *service) settle(ctx context.Context, held string, jobs []*job) error {
	err := s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return s.record(ctx, tx, held, jobs)
	})
	if err != nil {
		return fmt.Errorf("record what became of %d mails: %w", len(jobs), err)
	}
	mailsRecorded.Hit()
	for _, j := range jobs {
		s.ended.WithLabelValues(string(j.State)).Inc()
	}
	return nil
}

func (s *service) record(ctx context.Context, tx sqldb.Tx, held string, jobs []*job) error {
	now := s.now()
	deliveries := make([]store.Delivery, len(jobs))
	for i, j := range jobs {
		deliveries[i] = j.Delivery
	}
	ours, err := store.Settle(ctx, tx, held, deliveries, now)
	if err != nil {
		return err
	}
	var mails []store.Mail
	var attempts []store.Attempt
	var said []event.Pending
	for _, j := range jobs {
		if !ours[j.ID] {
			continue // the account was deleted meanwhile, or the lease ran out
		}
		if j.tried != nil {
			attempts = append(attempts, store.Attempt{DeliveryID: j.ID, N: j.Attempts, Attempt: *j.tried, EndedAt: now})
		}
		if s.server == nil && j.State == delivery.Sent {
			mails = append(mails, j.kept(now))
		}
		if fact := outcome(j.Delivery); fact != nil {
			said = append(said, event.Pending{Payload: fact, Cause: &event.Envelope{ID: j.EventID, Traceparent: j.Traceparent}})
		}
	}
	if err := store.AddMails(ctx, tx, mails); err != nil {
		return err
	}
	if err := store.AddAttempts(ctx, tx, attempts); err != nil {
		return err
	}
	mailsNoted.Hit()
	return s.outbox.AddPending(ctx, tx, said...)
}

func (j *job) kept(now time.Time) store.Mail {
	m := j.mail
	return store.Mail{
		DeliveryID: j.ID, UserID: j.UserID, OrderID: j.OrderID, From: m.From.String(), To: m.To.String(), Address: m.To.Address,
		Subject: m.Subject, Text: m.Text, HTML: m.HTML, SentAt: now,
	}
}

// outcome is the fact that a delivery's final state is worth; nil if it is not final.
func outcome(d store.Delivery) event.Payload {
	switch {
	case d.State == delivery.Sent:
		return events.NotificationSent{DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel}
	case d.State.Final():
		return failed(d)
	}
	return nil
}

func failed(d store.Delivery) events.NotificationFailed {
	return events.NotificationFailed{
		DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel,
		Reason: fmt.Sprintf("%s: %s", d.State, d.Reply),
	}
}
