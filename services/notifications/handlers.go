package notifications

import (
	"context"
	"errors"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

// channels are the ways in which a customer is notified about a kind of event.
type channels struct{ mail, inbox bool }

var (
	mailAndInbox = channels{mail: true, inbox: true}
	mailOnly     = channels{mail: true}
	inboxOnly    = channels{inbox: true}
)

// notifyingHandler is the handler of an event about which customers are notified.
type notifyingHandler struct {
	kind string
	channels
	inbox.Handler
}

// notification is what one event notifies one customer about.
type notification struct {
	channels
	event  event.Envelope
	userID string
	notice content.Notice
	order  *store.Order // stored for later mails; nil if the event does not contain it
}

// handlers returns the handlers of all events that the service consumes.
func (s *service) handlers(notifying []notifyingHandler) []inbox.Handler {
	all := []inbox.Handler{inbox.Handle(s.userUpdated), inbox.Handle(s.userDeleted)}
	for _, h := range notifying {
		all = append(all, h.Handler)
	}
	return all
}

// notifyingHandlers returns the handlers of the events about which customers are
// notified. order.confirmed and payment.captured are not among them, because order.paid
// follows at once. What happens to the money of an order that is cancelled before it is
// paid is part of the text about order.cancelled.
func (s *service) notifyingHandlers() []notifyingHandler {
	return []notifyingHandler{
		{kind: kindOf[events.UserRegistered](), channels: mailOnly, Handler: inbox.Handle(s.userRegistered)},
		notifyOn(s, mailAndInbox, func(e events.OrderCreated) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total)}, order: orderOf(e)}
		}),
		notifyOn(s, mailAndInbox, func(e events.OrderPaid) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}}
		}),
		notifyOn(s, mailAndInbox, func(e events.OrderCancelled) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total), Reason: e.Reason}}
		}),
		notifyOn(s, mailAndInbox, func(e events.OrderShipped) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID}}
		}),
		notifyOn(s, inboxOnly, func(e events.OrderDelivered) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID}}
		}),
		notifyOn(s, inboxOnly, func(e events.PaymentDeclined) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount), Reason: e.Reason}}
		}),
		notifyOn(s, mailAndInbox, func(e events.PaymentRefunded) notification {
			return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}}
		}),
	}
}

// checkTemplates returns an error if a customer could be notified about an event that
// cannot be rendered in every language.
func checkTemplates(r *content.Renderer, notifying []notifyingHandler) error {
	var problems []error
	for _, h := range notifying {
		problems = append(problems, r.Check(h.kind, h.mail, h.inbox))
	}
	return errors.Join(problems...)
}

// kindOf returns the kind of notice that an event of type E leads to.
func kindOf[E event.Payload]() string {
	var e E
	return content.KindOf(e.EventType())
}

// notifyOn returns a handler that notifies customers over the channels, a batch of events
// at a time, in multi-row statements.
func notifyOn[E event.Payload](s *service, over channels, of func(E) notification) notifyingHandler {
	kind := kindOf[E]()
	handle := func(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[E]) error {
		ns := make([]notification, len(rs))
		for i, r := range rs {
			ns[i] = of(r.Payload)
			ns[i].channels, ns[i].event, ns[i].notice.Kind = over, r.Envelope, kind
		}
		return s.notify(ctx, tx, ns)
	}
	return notifyingHandler{kind, over, inbox.HandleBatch(handle)}
}

// notify adds notifications to inboxes and queues their mails, except for customers
// whose account was deleted. A customer whose account is not known yet is notified too:
// the mail waits for the address.
func (s *service) notify(ctx context.Context, tx sqldb.Tx, ns []notification) error {
	userIDs := make([]string, len(ns))
	for i, n := range ns {
		userIDs[i] = n.userID
	}
	known, err := store.Recipients(ctx, tx, userIDs)
	if err != nil {
		return err
	}
	now := s.Now()
	var orders []store.Order
	var entries []store.InboxEntry
	var deliveries []store.Delivery
	for _, n := range ns {
		if known[n.userID].Deleted {
			continue
		}
		if n.order != nil {
			orders = append(orders, *n.order)
		}
		if n.inbox {
			entries = append(entries, store.InboxEntry{EventID: n.event.ID, UserID: n.userID, Notice: n.notice, CreatedAt: n.event.Time})
		}
		if n.mail {
			deliveries = append(deliveries, store.Delivery{
				ID: s.NewID(), EventID: n.event.ID, Traceparent: n.event.Traceparent,
				Channel: delivery.Email, UserID: n.userID, Notice: n.notice, CreatedAt: now,
			})
		}
	}
	if err := store.AddOrders(ctx, tx, orders, now); err != nil {
		return err
	}
	if err := store.AddInboxEntries(ctx, tx, entries); err != nil {
		return err
	}
	tx.OnCommit(s.due.Notify)
	return store.AddDeliveries(ctx, tx, deliveries)
}

func orderOf(e events.OrderCreated) *store.Order {
	o := &store.Order{ID: e.OrderID, UserID: e.UserID, Order: content.Order{Total: money.Money(e.Total)}}
	for _, l := range e.Lines {
		o.Lines = append(o.Lines, content.OrderLine{Name: l.Name, Quantity: l.Quantity, UnitPrice: money.Money(l.UnitPrice)})
	}
	return o
}

func (s *service) userRegistered(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserRegistered]) error {
	e := r.Payload
	if err := s.upsertRecipient(ctx, tx, store.Recipient{UserID: e.UserID, Email: e.Email, Name: e.Name, Locale: e.Locale, Version: e.Version}); err != nil {
		return err
	}
	return s.notify(ctx, tx, []notification{{
		channels: mailOnly, event: r.Envelope, userID: e.UserID, notice: content.Notice{Kind: kindOf[events.UserRegistered]()},
	}})
}

func (s *service) userUpdated(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserUpdated]) error {
	e := r.Payload
	return s.upsertRecipient(ctx, tx, store.Recipient{UserID: e.UserID, Email: e.Email, Name: e.Name, Locale: e.Locale, Version: e.Version})
}

func (s *service) upsertRecipient(ctx context.Context, tx sqldb.Tx, r store.Recipient) error {
	tx.OnCommit(s.due.Notify)
	return store.UpsertRecipient(ctx, tx, r, s.Now())
}

func (s *service) userDeleted(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserDeleted]) error {
	suppressed, err := store.EraseUser(ctx, tx, r.Payload.UserID, r.Payload.Version, s.Now())
	if err != nil {
		return err
	}
	var pending []event.Pending
	for _, d := range suppressed {
		pending = append(pending, event.CausedBy(&r.Envelope, notificationFailed(d)))
	}
	return s.Outbox.AddPending(ctx, tx, pending...)
}
