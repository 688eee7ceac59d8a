package notifications

import (
	"cmp"
	"context"
	"slices"
	"time"

	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

// outgoing is what a batch of notifications leads to.
type outgoing struct {
	orders     []store.Order
	entries    []store.InboxEntry
	deliveries []store.Delivery
	held       []store.HeldNotice
}

// notices returns how many rows show which events were handled.
func (o *outgoing) notices() int { return len(o.entries) + len(o.deliveries) + len(o.held) }

// notify adds notifications to inboxes and queues their mails and pushes, as each
// customer has chosen, except for customers whose account was deleted. A customer whose
// account is not known yet is notified too: the mail waits for the address. It leaves out
// the events that it has handled before, whatever the customer has chosen since, and
// returns the others. If another replica commits the same events meanwhile, tx is run again
// and finds them handled.
func (s *service) notify(ctx context.Context, tx sqldb.Tx, ns []notification) ([]event.Envelope, error) {
	// In one order, so that replicas do not wait for each other in a circle.
	slices.SortStableFunc(ns, func(a, b notification) int { return cmp.Compare(a.event.ID, b.event.ID) })
	ns = slices.CompactFunc(ns, func(a, b notification) bool { return a.event.ID == b.event.ID })
	userIDs, eventIDs := make([]string, len(ns)), make([]string, len(ns))
	for i, n := range ns {
		userIDs[i], eventIDs[i] = n.userID, n.event.ID
	}
	audience, err := store.LockAudience(ctx, tx, userIDs)
	if err != nil {
		return nil, err
	}
	handled, err := store.HandledEvents(ctx, tx, eventIDs)
	if err != nil {
		return nil, err
	}
	var out outgoing
	var fresh []event.Envelope
	var silent []string
	for _, n := range ns {
		if handled[n.event.ID] {
			continue
		}
		fresh = append(fresh, n.event)
		before := out.notices()
		if m := audience[n.userID]; !m.Deleted {
			s.route(&out, n, *m, s.Now())
		}
		if out.notices() == before {
			silent = append(silent, n.event.ID)
		}
	}
	if err := store.AddSilentEvents(ctx, tx, silent, s.Now()); err != nil {
		return nil, err
	}
	return fresh, s.add(ctx, tx, out)
}

// add stores what notifications lead to. The entries come first: their positions lock the
// inboxes, so that a replica with the same events waits, is run again and finds them handled.
func (s *service) add(ctx context.Context, tx sqldb.Tx, out outgoing) error {
	now := s.Now()
	if err := store.AddInboxEntries(ctx, tx, out.entries); err != nil {
		return err
	}
	if err := store.AddOrders(ctx, tx, out.orders, now); err != nil {
		return err
	}
	if err := store.HoldNotices(ctx, tx, out.held); err != nil {
		return err
	}
	tx.OnCommit(func() {
		for _, e := range out.entries {
			s.inboxes.Changed(e.UserID)
		}
	})
	return s.addDeliveries(ctx, tx, out.deliveries, now)
}

// route adds to out what a notification of a customer leads to.
func (s *service) route(out *outgoing, n notification, m store.Member, now time.Time) {
	if n.order != nil {
		out.orders = append(out.orders, *n.order)
	}
	category, _ := preferences.CategoryOf(n.notice.Kind)
	reachable := preferences.Channels{Email: true, Inbox: true, Push: len(m.Targets) > 0}
	over := m.Preferences.Route(category, n.Channels, reachable)
	if over.Inbox {
		out.entries = append(out.entries, store.InboxEntry{EventID: n.event.ID, UserID: n.userID, Notice: n.notice, CreatedAt: n.event.Time})
	}
	held := store.HeldNotice{EventID: n.event.ID, Traceparent: n.event.Traceparent, UserID: n.userID, Notice: n.notice}
	held.DueAt = m.Preferences.HeldUntil(category, now)
	if over.Email {
		held.Channel = delivery.Email
		s.send(out, held, []string{""}, now)
	}
	if over.Push {
		held.Channel = delivery.Push
		s.send(out, held, m.Targets, now)
	}
}

// send queues a notice for each target, or holds it back until it is due.
func (s *service) send(out *outgoing, n store.HeldNotice, targets []string, now time.Time) {
	if !n.DueAt.IsZero() {
		out.held = append(out.held, n)
		return
	}
	out.deliveries = append(out.deliveries, s.deliveriesOf(n, targets, now)...)
}

// deliveriesOf returns the deliveries of a notice to targets, which for a mail is one
// without a name.
func (s *service) deliveriesOf(n store.HeldNotice, targets []string, now time.Time) []store.Delivery {
	all := make([]store.Delivery, len(targets))
	for i, target := range targets {
		all[i] = store.Delivery{
			ID: s.NewID(), EventID: n.EventID, Traceparent: n.Traceparent,
			Channel: n.Channel, UserID: n.UserID, Target: target, Notice: n.Notice, CreatedAt: now,
		}
	}
	return all
}
