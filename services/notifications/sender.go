package notifications

import (
	"context"
	"fmt"
	"time"

	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

const (
	mailboxBatch  = 256             // as many as one transaction should store
	smtpBatch     = 25              // so that a slow server does not hold many leases
	leaseTime     = 5 * time.Minute // how long the sender holds a batch; other senders may take what it has not begun by then
	settleTimeout = 10 * time.Second
)

// senders returns the workers that send mails: as many as there may be connections.
func (s *service) senders() []worker.Worker {
	workers := []worker.Worker{{Name: "send-mails", Step: s.sendDue, Interval: time.Second, Wake: s.due}}
	if s.servers == nil {
		return workers
	}
	for n := 2; n <= s.SMTPConnections; n++ {
		workers = append(workers, worker.Worker{Name: fmt.Sprintf("send-mails-%d", n), Step: s.sendDue, Interval: time.Second, Wake: s.due})
	}
	return workers
}

// sendDue sends one batch of mails and returns how many it handled. It takes those that
// this replica has leased as it queued them, or leases some that are due. It renders and
// sends them outside of any transaction, and records the outcomes and their events in
// another. A crash in between delays the batch until the lease ends; it loses nothing.
func (s *service) sendDue(ctx context.Context) (int, error) {
	limit := s.senderBatch()
	if limit == 0 {
		return 0, s.handBack(ctx)
	}
	batch, err := s.lease(ctx, limit)
	if err != nil || len(batch.jobs) == 0 {
		return 0, err
	}
	if len(batch.jobs) >= limit {
		s.due.Notify() // another sender may take more
	}
	mailsClaimed.Hit()
	if err := s.prepare(ctx, batch.jobs); err != nil {
		return 0, err
	}
	if err := s.capMails(ctx, batch.jobs); err != nil {
		return 0, err
	}
	if s.servers == nil {
		defer s.storeInMailbox(ctx, batch.jobs)()
	} else {
		s.submit(ctx, batch)
	}
	// What was sent must be recorded, or it is sent again. So a shutdown waits for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return s.settle(ctx, batch)
}

// lease returns mails that were handed over, or else claims up to limit that are due.
func (s *service) lease(ctx context.Context, limit int) (leased, error) {
	handed, ended := s.handed.take(limit, s.Now())
	if err := s.leave(ctx, ended); err != nil {
		return leased{}, err
	}
	if len(handed.jobs) > 0 {
		return handed, s.follow(ctx, handed.jobs)
	}
	claimed := leased{lease: s.NewID()}
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := s.Now()
		claimed.until = now.Add(leaseTime)
		due, err := store.Claim(ctx, tx, delivery.Email, claimed.lease, now, claimed.until, limit)
		claimed.jobs = make([]*job, len(due))
		for i, d := range due {
			claimed.jobs[i] = &job{Delivery: d, was: d.State}
		}
		return err
	})
	return claimed, err
}

// settle records the outcomes of the jobs and publishes their events. It returns how many
// jobs there were without those that are queued again as they were.
func (s *service) settle(ctx context.Context, batch leased) (handled int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return s.record(ctx, tx, batch)
	})
	if err != nil {
		return 0, fmt.Errorf("record the outcomes of %d mails: %w", len(batch.jobs), err)
	}
	mailsRecorded.Hit()
	for _, j := range batch.jobs {
		s.outcomes.WithLabelValues(string(j.State)).Inc()
		if !j.released {
			handled++
		}
	}
	return handled, s.releaseHeld(ctx)
}

// releaseHeld makes the mails due that a server refused for a reason that met every mail,
// if it takes mails again.
func (s *service) releaseHeld(ctx context.Context) error {
	if s.servers == nil || !s.servers.Recovered() {
		return nil
	}
	return s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		tx.OnCommit(s.due.Notify)
		return store.ReleaseHeld(ctx, tx, delivery.Email, s.Now())
	})
}

func (s *service) record(ctx context.Context, tx sqldb.Tx, batch leased) error {
	now, jobs := s.Now(), batch.jobs
	if err := store.DropDeliveryLeases(ctx, tx, batch.rows); err != nil { // before the deliveries: as when a lease ends
		return err
	}
	outcomes := make([]settled, len(jobs))
	for i, j := range jobs {
		outcomes[i] = settled{j.Delivery, j.attempt}
	}
	held, err := s.recordSettled(ctx, tx, batch.lease, outcomes)
	if err != nil {
		return err
	}
	var mails []store.Mail
	for _, j := range jobs {
		if held[j.ID] && s.servers == nil && j.State == delivery.Sent {
			mails = append(mails, j.storedMail(now))
		}
	}
	if err := s.suppressDead(ctx, tx, jobs, held); err != nil {
		return err
	}
	if err := uncount(ctx, tx, jobs, now); err != nil {
		return err
	}
	if err := store.AddMails(ctx, tx, mails); err != nil {
		return err
	}
	mailsWritten.Hit()
	return nil
}

// storedMail returns the mail as the built-in mailbox stores it.
func (j *job) storedMail(now time.Time) store.Mail {
	m := j.mail
	return store.Mail{
		DeliveryID: j.ID, UserID: j.UserID, OrderID: j.OrderID, From: m.From.String(), To: m.To.String(), Address: m.To.Address,
		Subject: m.Subject, Source: j.source, SentAt: now,
	}
}
