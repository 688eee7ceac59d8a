package notifications

import (
	"context"
	"errors"
	"slices"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/store"
)

// The channels on which there are notices of a kind. What is about the security of an
// account is not in the inbox, which anyone who is signed in may read.
var (
	everywhere   = preferences.All
	mailOnly     = preferences.Channels{Email: true}
	mailAndPush  = preferences.Channels{Email: true, Push: true}
	inboxAndPush = preferences.Channels{Inbox: true, Push: true}
)

// notifyingKind is a kind of event about which customers are notified.
type notifyingKind struct {
	kind string
	preferences.Channels
	inbox.Kind
	of func(event.Payload) notification
}

// notification is what one event notifies one customer about.
type notification struct {
	preferences.Channels // on which there are notices of the kind
	event                event.Envelope
	userID               string
	notice               content.Notice
	order                *store.Order // stored for later mails; nil if the event does not contain it
}

// handlers returns the handlers of all events that the service consumes. An event about
// which customers are notified is handled under its own id: in the inbox of the customer
// and in the deliveries.
func (s *service) handlers() []inbox.Handler {
	kinds := make([]inbox.Kind, len(notifying))
	for i, k := range notifying {
		kinds[i] = k.Kind
	}
	handlers := append(inbox.HandleTogether(s.notifyAll, kinds, inbox.Idempotent()), inbox.Handle(s.userUpdated))
	return append(handlers, s.withWebhooks(inbox.Handle(s.userRegistered), inbox.Handle(s.userDeleted))...)
}

// notifying are the kinds of events about which customers are notified, beside
// user.registered. order.confirmed and payment.captured are not among them, because
// order.paid follows at once. What happens to the money of an order that is cancelled
// before it is paid is part of the text about order.cancelled.
var notifying = []notifyingKind{
	notifyOn(mailAndPush, func(e events.UserPasswordChanged) notification {
		return notification{userID: e.UserID}
	}),
	notifyOn(mailAndPush, func(e events.UserSignedInOnNewDevice) notification {
		return notification{userID: e.UserID}
	}),
	notifyOn(everywhere, func(e events.OrderCreated) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total)}, order: orderOf(e)}
	}),
	notifyOn(everywhere, func(e events.OrderPaid) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}}
	}),
	notifyOn(everywhere, func(e events.OrderCancelled) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Total), Reason: e.Reason}}
	}),
	notifyOn(everywhere, func(e events.OrderShipped) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID}}
	}),
	notifyOn(inboxAndPush, func(e events.OrderDelivered) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID}}
	}),
	notifyOn(inboxAndPush, func(e events.PaymentDeclined) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount), Reason: e.Reason}}
	}),
	notifyOn(everywhere, func(e events.PaymentRefunded) notification {
		return notification{userID: e.UserID, notice: content.Notice{OrderID: e.OrderID, Amount: money.Money(e.Amount)}}
	}),
}

// allKinds returns the kinds of events about which customers are notified.
func allKinds() []notifyingKind {
	return append([]notifyingKind{{kind: kindOf[events.UserRegistered](), Channels: mailOnly}}, notifying...)
}

// checkTemplates returns an error if a customer could be notified about an event that
// cannot be rendered in every language.
func checkTemplates(r *content.Renderer) error {
	var problems []error
	for _, k := range allKinds() {
		problems = append(problems, r.Check(k.kind, k.Email, k.Inbox || k.Push))
	}
	return errors.Join(problems...)
}

// kindOf returns the kind of notice that an event of type E leads to.
func kindOf[E event.Payload]() string {
	var e E
	return content.KindOf(e.EventType())
}

// notifyOn returns the kind of the events of type E, which lead to notices over the
// channels.
func notifyOn[E event.Payload](over preferences.Channels, of func(E) notification) notifyingKind {
	return notifyingKind{kindOf[E](), over, inbox.KindOf[E](), func(p event.Payload) notification { return of(p.(E)) }}
}

// notifyAll notifies customers about events, in multi-row statements.
func (s *service) notifyAll(ctx context.Context, tx sqldb.Tx, rs []inbox.Received[event.Payload]) error {
	ns := make([]notification, len(rs))
	for i, r := range rs {
		kind := content.KindOf(r.Payload.EventType())
		k := notifying[slices.IndexFunc(notifying, func(k notifyingKind) bool { return k.kind == kind })]
		ns[i] = k.of(r.Payload)
		ns[i].Channels, ns[i].event, ns[i].notice.Kind = k.Channels, r.Envelope, kind
	}
	fresh, err := s.notify(ctx, tx, ns)
	if err != nil {
		return err
	}
	return s.queueForWebhooks(ctx, tx, fresh)
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
	_, err := s.notify(ctx, tx, []notification{{
		Channels: mailOnly, event: r.Envelope, userID: e.UserID, notice: content.Notice{Kind: kindOf[events.UserRegistered]()},
	}})
	return err
}

// userUpdated stores the account. A version that is stored already was published again for a
// service that has lost it (see package republish), and is no news for webhooks.
func (s *service) userUpdated(ctx context.Context, tx sqldb.Tx, r inbox.Received[events.UserUpdated]) error {
	e := r.Payload
	known, err := store.Recipients(ctx, tx, []string{e.UserID})
	if err != nil {
		return err
	}
	if before, exists := known[e.UserID]; !exists || before.Version != e.Version {
		if err := s.queueForWebhooks(ctx, tx, []event.Envelope{r.Envelope}); err != nil {
			return err
		}
	}
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
	if err := s.eraseFromWebhooks(ctx, tx, r.Payload.UserID); err != nil {
		return err
	}
	var pending []event.Pending
	for _, d := range suppressed {
		pending = append(pending, event.CausedBy(&r.Envelope, notificationFailed(d)))
	}
	return s.Outbox.AddPending(ctx, tx, pending...)
}
