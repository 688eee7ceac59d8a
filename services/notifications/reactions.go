package notifications

import (
	"context"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/message"
	"troupe/services/notifications/internal/store"
)

// reactions are to all that customers want to be told. Not order.confirmed and
// payment.captured, because order.paid follows within a moment; nor what became of
// the money of a cancelled order before it was paid, because order.cancelled says it.
func (s *service) reactions() []inbox.Handler {
	return []inbox.Handler{
		inbox.Handle(s.userRegistered), inbox.Handle(s.userUpdated), inbox.Handle(s.userDeleted),

		tells(s, func(e events.OrderCreated) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total)}, order: ordered(e), mail: true, inbox: true}
		}),
		tells(s, func(e events.OrderPaid) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}, mail: true, inbox: true}
		}),
		tells(s, func(e events.OrderCancelled) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total), Reason: e.Reason}, mail: true, inbox: true}
		}),
		tells(s, func(e events.OrderShipped) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID}, mail: true, inbox: true}
		}),
		tells(s, func(e events.OrderDelivered) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID}, inbox: true}
		}),
		tells(s, func(e events.PaymentDeclined) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount), Reason: e.Reason}, inbox: true}
		}),
		tells(s, func(e events.PaymentRefunded) telling {
			return telling{userID: e.UserID, notice: message.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}, mail: true, inbox: true}
		}),
	}
}

// telling is what one event has us tell one customer.
type telling struct {
	event       event.Envelope
	userID      string
	notice      message.Notice
	order       *store.Order // to be remembered, if the event brings it
	mail, inbox bool
}

// tells reacts to facts by telling, in multi-row statements.
func tells[E event.Payload](s *service, of func(E) telling) inbox.Handler {
	return inbox.HandleBatch(func(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[E]) error {
		ts := make([]telling, len(rs))
		for i, r := range rs {
			ts[i] = of(r.Payload)
			ts[i].event = r.Envelope
			ts[i].notice.Kind = message.KindOf(r.Envelope.Type)
		}
		return s.tell(ctx, tx, ts)
	})
}

// tell puts tellings into inboxes and queues their mails, but for customers whose
// account is gone. A customer not heard of yet is no obstacle: the mail waits.
func (s *service) tell(ctx context.Context, tx sqldb.Tx, ts []telling) error {
	userIDs := make([]string, len(ts))
	for i, t := range ts {
		userIDs[i] = t.userID
	}
	known, err := store.Recipients(ctx, tx, userIDs)
	if err != nil {
		return err
	}
	now := s.now()
	var orders []store.Order
	var notices []store.Notice
	var deliveries []store.Delivery
	for _, t := range ts {
		if known[t.userID].Deleted {
			continue
		}
		if t.order != nil {
			orders = append(orders, *t.order)
		}
		if t.inbox {
			notices = append(notices, store.Notice{EventID: t.event.ID, UserID: t.userID, Notice: t.notice, CreatedAt: t.event.Time})
		}
		if t.mail {
			deliveries = append(deliveries, store.Delivery{
				ID: s.newID(), EventID: t.event.ID, Traceparent: t.event.Traceparent,
				Channel: delivery.Email, UserID: t.userID, Notice: t.notice, CreatedAt: now,
			})
		}
	}
	if err := store.PutOrders(ctx, tx, orders, now); err != nil {
		return err
	}
	if err := store.AddNotices(ctx, tx, notices); err != nil {
		return err
	}
	tx.OnCommit(s.due.Notify)
	return store.AddDeliveries(ctx, tx, deliveries)
}

func ordered(e events.OrderCreated) *store.Order {
	o := &store.Order{ID: e.OrderID, UserID: e.UserID, Order: message.Order{Total: money.Money(e.Total)}}
	for _, l := range e.Lines {
		o.Lines = append(o.Lines, message.Line{Name: l.Name, Quantity: l.Quantity, UnitPrice: money.Money(l.UnitPrice)})
	}
	return o
}

func (s *service) userRegistered(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserRegistered]) error {
	e := r.Payload
	if err := s.meet(ctx, tx, store.Recipient{UserID: e.UserID, Email: e.Email, Name: e.Name, Locale: e.Locale, Version: e.Version}); err != nil {
		return err
	}
	return s.tell(ctx, tx, []telling{{
		event: r.Envelope, userID: e.UserID, notice: message.Notice{Kind: message.KindOf(r.Envelope.Type)}, mail: true,
	}})
}

func (s *service) userUpdated(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserUpdated]) error {
	e := r.Payload
	return s.meet(ctx, tx, store.Recipient{UserID: e.UserID, Email: e.Email, Name: e.Name, Locale: e.Locale, Version: e.Version})
}

func (s *service) meet(ctx context.Context, tx sqldb.Tx, r store.Recipient) error {
	tx.OnCommit(s.due.Notify)
	return store.PutRecipient(ctx, tx, r, s.now())
}

func (s *service) userDeleted(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserDeleted]) error {
	suppressed, err := store.Forget(ctx, tx, r.Payload.UserID, r.Payload.Version, s.now())
	if err != nil {
		return err
	}
	var said []event.Pending
	for _, d := range suppressed {
		said = append(said, event.CausedBy(&r.Envelope, failed(d)))
	}
	return s.outbox.AddPending(ctx, tx, said...)
}
