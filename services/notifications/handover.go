package notifications

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

const (
	// handoverTime is how long a replica holds the mails that it leased as it queued them.
	handoverTime = time.Minute
	// handoverBatches is how many batches of a sender a replica has leased at a time. Mails
	// beyond are left for any sender to claim, which writes all their indexes once more.
	handoverBatches = 16
	// fewMails is up to how many mails have their leases in their own rows: a row for the
	// lease of so few would cost more than it saves.
	fewMails = 3
	// leasesAtOnce is how many leases that have ended are taken back in one transaction.
	leasesAtOnce = 16
)

// leased are mails that a sender has leased.
type leased struct {
	lease string // as in the deliveries
	until time.Time
	jobs  []*job
	rows  []string // the ids of their rows in delivery_leases; empty if the deliveries have the time
}

// handover hands the mails that this replica has leased as it queued them to its senders,
// in memory, so that they need no claim.
type handover struct {
	lease string // of all of them: each mail is handed over once

	mu      sync.Mutex
	batches []leased
	mails   int // in the batches
}

// room returns how many more mails there is room for.
func (h *handover) room(batch int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return handoverBatches*batch - h.mails
}

func (h *handover) add(l leased) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches = append(h.batches, l)
	h.mails += len(l.jobs)
}

// take returns the oldest batches that have up to most mails together, but at least one
// batch if there is any. The mails whose lease has ended it returns apart.
func (h *handover) take(most int, now time.Time) (taken, ended leased) {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken, ended = leased{lease: h.lease}, leased{lease: h.lease}
	for len(h.batches) > 0 {
		next := h.batches[0]
		isOver := !now.Before(next.until)
		if !isOver && len(taken.jobs) > 0 && len(taken.jobs)+len(next.jobs) > most {
			break
		}
		h.batches = h.batches[1:]
		h.mails -= len(next.jobs)
		if isOver {
			ended.jobs, ended.rows = append(ended.jobs, next.jobs...), append(ended.rows, next.rows...)
			continue
		}
		if taken.until.IsZero() {
			taken.until = next.until
		}
		taken.jobs, taken.rows = append(taken.jobs, next.jobs...), append(taken.rows, next.rows...)
	}
	return taken, ended
}

// senderBatch returns how many mails a sender takes at a time; 0 while the queue is paused.
func (s *service) senderBatch() int {
	if s.servers == nil {
		return mailboxBatch
	}
	return s.servers.Capacity(smtpBatch)
}

// leaseMails leases mails among new deliveries until a time for the senders of this
// replica, as many as they have room for.
func (s *service) leaseMails(deliveries []store.Delivery, until time.Time) {
	var mails []*store.Delivery
	for i := range deliveries {
		if deliveries[i].Channel == delivery.Email {
			mails = append(mails, &deliveries[i])
		}
	}
	mails = mails[:max(0, min(len(mails), s.handed.room(s.senderBatch())))]
	for _, d := range mails {
		d.Lease = s.handed.lease
		if len(mails) <= fewMails {
			d.NextAt = until
		}
	}
}

// addDeliveries adds deliveries, and hands the mails among them to the senders after the
// commit.
func (s *service) addDeliveries(ctx context.Context, tx sqldb.Tx, deliveries []store.Delivery, now time.Time) error {
	until := now.Add(handoverTime)
	s.leaseMails(deliveries, until)
	added, err := store.AddDeliveries(ctx, tx, deliveries)
	if err != nil {
		return err
	}
	var jobs []*job
	for _, d := range deliveries {
		if d.Lease != "" && added[d.ID] {
			d.State, d.Attempts = delivery.Sending, 1
			d.ExpiresAt, d.UpdatedAt = d.CreatedAt.Add(delivery.MaxAge), d.CreatedAt
			jobs = append(jobs, &job{Delivery: d, was: delivery.Queued})
		}
	}
	var leases []store.DeliveryLease
	for batch := range slices.Chunk(jobs, s.largestBatch()) {
		l := leased{lease: s.handed.lease, until: until, jobs: batch}
		if batch[0].NextAt.IsZero() {
			l.rows = []string{s.NewID()}
			leases = append(leases, store.DeliveryLease{ID: l.rows[0], Lease: l.lease, Deliveries: idsOf(batch), EndsAt: until})
		}
		tx.OnCommit(func() { s.handed.add(l) })
	}
	tx.OnCommit(s.wakeSenders)
	return store.AddDeliveryLeases(ctx, tx, leases)
}

func (s *service) largestBatch() int {
	if s.servers == nil {
		return mailboxBatch
	}
	return smtpBatch
}

func idsOf(jobs []*job) []string {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}

// follow finds which mails must wait for others about earlier events of their orders: for
// one in the same batch, or for one that another sender has.
func (s *service) follow(ctx context.Context, jobs []*job) error {
	slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(a.EventID, b.EventID) })
	byID := map[string]*job{}
	var ids []string
	for _, j := range jobs {
		byID[j.ID] = j
		if j.OrderID != "" {
			ids = append(ids, j.ID)
		}
	}
	earlier, err := store.EarlierMails(ctx, s.DB, ids)
	for id, others := range earlier {
		for _, other := range others {
			if first := byID[other]; first != nil {
				byID[id].follows = append(byID[id].follows, first)
			} else {
				byID[id].blocked = true
			}
		}
	}
	return err
}

// handBack leaves the mails that were handed over and that no sender has begun to any
// sender.
func (s *service) handBack(ctx context.Context) error {
	for {
		l, ended := s.handed.take(mailboxBatch, s.Now())
		if err := errors.Join(s.leave(ctx, ended), s.leave(ctx, l)); err != nil || len(l.jobs) == 0 {
			return err
		}
	}
}

// leave queues mails again that no sender has begun, without an attempt: their next one is
// still the first. It changes none that another sender has claimed meanwhile.
func (s *service) leave(ctx context.Context, l leased) error {
	if len(l.jobs) == 0 {
		return nil
	}
	for _, j := range l.jobs {
		j.release(s.Now())
	}
	_, err := s.settle(ctx, l)
	return err
}

// drain leaves the mails that no sender has begun to other replicas, and waits for the
// webhooks that are being called.
func (s *service) drain(ctx context.Context) error {
	return errors.Join(s.handBack(ctx), s.drainWebhooks(ctx))
}

// endLeases takes back the mails of replicas that held them for too long: they have
// stopped, or are cut off.
func (s *service) endLeases(ctx context.Context) (ended int, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		now := s.Now()
		tx.OnCommit(s.due.Notify)
		ended, err = store.EndDeliveryLeases(ctx, tx, now, now.Add(s.dotTime()), leasesAtOnce)
		return err
	})
	return ended, err
}

// dotTime is how long the reply to a final dot may take, and a little longer.
func (s *service) dotTime() time.Duration {
	if s.servers == nil {
		return 0
	}
	return s.servers.Longest() + time.Minute
}
