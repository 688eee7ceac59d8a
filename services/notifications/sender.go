package notifications

import (
	"context"
	"fmt"
	"time"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

const (
	mailboxBatch  = 256             // as many as one transaction should store
	smtpBatch     = 50              // so that a slow server does not hold many leases
	leaseTime     = 5 * time.Minute // how long the sender holds a batch; other senders may take what it has not begun by then
	settleTimeout = 10 * time.Second
)

// job is one leased delivery within a step of the sender.
type job struct {
	store.Delivery
	mail smtp.Message // set if ready
	// ready reports that there is a mail to send. Otherwise Delivery already has its
	// outcome.
	ready bool
	// attempt is how the attempt to send the mail ended; nil if there was none.
	attempt *delivery.Attempt
}

// sendDue sends one batch of due mails and returns how many it handled. It leases them
// in one transaction, renders and sends them outside of any transaction, and records the
// outcomes and their events in another. A crash in between delays the batch until the
// lease ends; it loses nothing.
func (s *service) sendDue(ctx context.Context) (int, error) {
	leaseID := s.NewID()
	jobs, err := s.claim(ctx, leaseID)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	mailsClaimed.Hit()
	if err := s.prepare(ctx, jobs); err != nil {
		return 0, err
	}
	if s.server == nil {
		storeInMailbox(jobs)
	} else {
		s.submit(ctx, leaseID, jobs)
	}
	// What was sent must be recorded, or it is sent again. So a shutdown waits for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return len(jobs), s.settle(ctx, leaseID, jobs)
}

func (s *service) claim(ctx context.Context, leaseID string) ([]*job, error) {
	limit := mailboxBatch
	if s.server != nil {
		limit = smtpBatch
	}
	var jobs []*job
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := s.Now()
		due, err := store.Claim(ctx, tx, delivery.Email, leaseID, now, now.Add(leaseTime), limit)
		jobs = make([]*job, len(due))
		for i, d := range due {
			jobs[i] = &job{Delivery: d}
		}
		return err
	})
	return jobs, err
}

// prepare renders the mail of each job, or sets the outcome of a job that has no mail to
// send.
func (s *service) prepare(ctx context.Context, jobs []*job) error {
	var userIDs, orderIDs []string
	for _, j := range jobs {
		userIDs = append(userIDs, j.UserID)
		if j.OrderID != "" {
			orderIDs = append(orderIDs, j.OrderID)
		}
	}
	recipients, err := store.Recipients(ctx, s.DB, userIDs)
	if err != nil {
		return err
	}
	orders, err := store.Orders(ctx, s.DB, orderIDs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		r, known := recipients[j.UserID]
		switch {
		case j.Phase == delivery.Dot:
			j.end(delivery.Attempt{Phase: delivery.Dot, State: delivery.Unknown, Reply: "the sender stopped while it waited for the server's reply"}, s.Now())
		case !known:
			j.waitForAddress(s.Now())
		case r.Deleted:
			j.State, j.NextAt, j.Reply = delivery.Suppressed, time.Time{}, "the account was deleted"
		default:
			s.render(j, r, orders[j.OrderID])
		}
	}
	return nil
}

// render makes j ready. A mail that cannot be rendered is rejected, because another
// attempt would not succeed either.
func (s *service) render(j *job, r store.Recipient, order *content.Order) {
	to, err := smtp.Address(r.Name, r.Email)
	var mail content.Mail
	if err == nil {
		mail, err = s.renderer.Mail(content.Recipient{Name: r.Name, Locale: r.Locale}, j.Notice, order)
	}
	if err != nil {
		j.end(delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, Reply: err.Error()}, s.Now())
		return
	}
	j.ready = true
	j.mail = smtp.Message{
		ID: j.ID, From: s.from, To: to, Date: j.CreatedAt,
		Subject: mail.Subject, Text: mail.Text, HTML: mail.HTML,
	}
}

// storeInMailbox marks all mails that are ready as sent; settle stores them in the
// built-in mailbox.
func storeInMailbox(jobs []*job) {
	for _, j := range jobs {
		if j.ready {
			j.State, j.NextAt = delivery.Sent, time.Time{}
		}
	}
}

// end sets the outcome of the delivery to that of an attempt.
func (j *job) end(a delivery.Attempt, now time.Time) {
	j.attempt = &a
	j.Reply = a.Reply
	j.State, j.NextAt = delivery.Next(j.ID, j.Attempts, a.State, now, j.ExpiresAt)
}

// waitForAddress leaves j until the recipient's address is known. The wait does not
// count toward delivery.MaxAge, which begins when it ends.
func (j *job) waitForAddress(now time.Time) {
	j.State, j.NextAt, j.Reply = delivery.Waiting, now.Add(delivery.Recheck), "no address yet"
	j.ExpiresAt = j.NextAt.Add(delivery.MaxAge)
	j.Attempts--
}

// release queues j again for any sender, without an attempt.
func (j *job) release(now time.Time) {
	j.State, j.NextAt = delivery.Queued, now
	j.Attempts--
}

// settle records the outcomes of the jobs and publishes their events.
func (s *service) settle(ctx context.Context, leaseID string, jobs []*job) error {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return s.record(ctx, tx, leaseID, jobs)
	})
	if err != nil {
		return fmt.Errorf("record the outcomes of %d mails: %w", len(jobs), err)
	}
	mailsRecorded.Hit()
	for _, j := range jobs {
		s.outcomes.WithLabelValues(string(j.State)).Inc()
	}
	return nil
}

func (s *service) record(ctx context.Context, tx sqldb.Tx, leaseID string, jobs []*job) error {
	now := s.Now()
	deliveries := make([]store.Delivery, len(jobs))
	for i, j := range jobs {
		deliveries[i] = j.Delivery
	}
	held, err := store.Settle(ctx, tx, leaseID, deliveries, now)
	if err != nil {
		return err
	}
	var mails []store.Mail
	var attempts []store.Attempt
	var pending []event.Pending
	for _, j := range jobs {
		if !held[j.ID] {
			continue // the account was deleted meanwhile, or the lease ended
		}
		if j.attempt != nil {
			attempts = append(attempts, store.Attempt{DeliveryID: j.ID, N: j.Attempts, Attempt: *j.attempt, EndedAt: now})
		}
		if s.server == nil && j.State == delivery.Sent {
			mails = append(mails, j.storedMail(now))
		}
		if payload := outcomeEvent(j.Delivery); payload != nil {
			pending = append(pending, event.Pending{Payload: payload, Cause: &event.Envelope{ID: j.EventID, Traceparent: j.Traceparent}})
		}
	}
	if err := store.AddMails(ctx, tx, mails); err != nil {
		return err
	}
	if err := store.AddAttempts(ctx, tx, attempts); err != nil {
		return err
	}
	mailsWritten.Hit()
	return s.Outbox.AddPending(ctx, tx, pending...)
}

// storedMail returns the mail as the built-in mailbox stores it.
func (j *job) storedMail(now time.Time) store.Mail {
	m := j.mail
	return store.Mail{
		DeliveryID: j.ID, UserID: j.UserID, OrderID: j.OrderID, From: m.From.String(), To: m.To.String(), Address: m.To.Address,
		Subject: m.Subject, Text: m.Text, HTML: m.HTML, SentAt: now,
	}
}

// outcomeEvent returns the event about the final state of a delivery; nil if its state
// is not final.
func outcomeEvent(d store.Delivery) event.Payload {
	switch {
	case d.State == delivery.Sent:
		return events.NotificationSent{DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel}
	case d.State.Final():
		return notificationFailed(d)
	}
	return nil
}

func notificationFailed(d store.Delivery) events.NotificationFailed {
	return events.NotificationFailed{
		DeliveryID: d.ID, UserID: d.UserID, OrderID: d.OrderID, Kind: d.Kind, Channel: d.Channel,
		Reason: fmt.Sprintf("%s: %s", d.State, d.Reply),
	}
}
