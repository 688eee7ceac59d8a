package notifications

import (
	"cmp"
	"context"
	"time"

	"troupe/platform/ascii"
	"troupe/platform/telemetry"
	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/preferences"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

// background is what is known about the recipients and the orders of a batch.
type background struct {
	recipients map[string]store.Recipient
	orders     map[string]*content.Order
	blocked    map[string]store.Suppression // by address
	audience   map[string]*store.Member
	kinds      map[string][]string // of all mails about an order, if one of the batch is late
}

func (s *service) readBackground(ctx context.Context, jobs []*job) (b background, err error) {
	var userIDs, orderIDs, late []string
	for _, j := range jobs {
		userIDs = append(userIDs, j.UserID)
		if j.OrderID == "" {
			continue
		}
		orderIDs = append(orderIDs, j.OrderID)
		if j.isLate(s.Now()) {
			late = append(late, j.OrderID)
		}
	}
	if b.recipients, err = store.Recipients(ctx, s.DB, userIDs); err != nil {
		return b, err
	}
	if b.orders, err = store.Orders(ctx, s.DB, orderIDs); err != nil {
		return b, err
	}
	if b.blocked, err = store.Suppressed(ctx, s.DB, addressesOf(b.recipients)); err != nil {
		return b, err
	}
	if b.audience, err = store.Audience(ctx, s.DB, userIDs); err != nil {
		return b, err
	}
	if err := s.readDigests(ctx, jobs); err != nil {
		return b, err
	}
	b.kinds, err = store.Kinds(ctx, s.DB, delivery.Email, late)
	return b, err
}

// prepare renders the mail of each job, or sets the outcome of a job that has no mail to
// send.
func (s *service) prepare(ctx context.Context, jobs []*job) error {
	known, err := s.readBackground(ctx, jobs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		r, exists := known.recipients[j.UserID]
		later := delivery.SupersededBy(j.Kind, known.kinds[j.OrderID])
		switch {
		case j.Phase == delivery.Dot:
			j.end(delivery.Attempt{Phase: delivery.Dot, State: delivery.Unknown, Reply: "the sender stopped while it waited for the server's reply"}, s.Now())
		case j.blocked:
			j.release(s.Now())
		case !exists:
			j.waitForAddress(s.Now())
		case r.Deleted:
			j.finish(delivery.Suppressed, "the account was deleted")
		case !known.audience[j.UserID].Preferences.Allows(j.Kind, preferences.Channels{Email: true}):
			j.finish(delivery.Suppressed, "the customer has switched off mails about this")
		case stops(known.blocked[ascii.Lower(r.Email)], j.Kind):
			j.finish(delivery.Suppressed, "the address is on the suppression list")
		case later != "":
			j.finish(delivery.Superseded, "the order has gone on: "+later)
		case j.isOverdue(s.Now()):
			j.finish(delivery.Expired, cmp.Or(j.Reply, "it waited too long"))
		default:
			s.render(j, r, known.orders[j.OrderID])
		}
	}
	return nil
}

// render makes j ready. A mail that cannot be rendered is rejected, because another
// attempt would not succeed either.
func (s *service) render(j *job, r store.Recipient, order *content.Order) {
	to, err := smtp.Address("", r.Email)
	link := s.links.of(r.UserID, j.Kind)
	reader := content.Recipient{Locale: r.Locale, Unsubscribe: link}
	var mail content.Mail
	switch {
	case err != nil:
	case j.Kind == content.DigestKind:
		mail, err = s.renderer.Digest(reader, j.digest)
	default:
		mail, err = s.renderer.Mail(reader, j.Notice, order)
	}
	if err == nil && s.servers != nil {
		mail.Text, mail.HTML, err = s.renderer.Parts(mail.Source)
	}
	if err != nil {
		j.end(delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, Reply: err.Error()}, s.Now())
		return
	}
	j.ready, j.source = true, mail.Source
	j.mail = smtp.Message{
		ID: j.ID, From: s.from, To: to, Date: j.CreatedAt,
		Subject: mail.Subject, Text: mail.Text, HTML: mail.HTML,
		Return: s.returnAddress(j.ID), Unsubscribe: link,
	}
}

// storeInMailbox marks all mails that are ready as sent; settle stores them in the
// built-in mailbox. The returned function ends their spans.
func (s *service) storeInMailbox(ctx context.Context, jobs []*job) (end func()) {
	now := s.Now()
	var spans []*telemetry.Span
	for _, j := range jobs {
		switch {
		case !j.ready:
		case j.mustWait():
			j.release(now)
		default:
			j.State, j.NextAt = delivery.Sent, time.Time{}
			_, span := s.startAttempt(ctx, "send mail", j.Delivery)
			span.Set("server.address", "mailbox")
			span.Set("troupe.notification.state", string(j.State))
			spans = append(spans, span)
		}
	}
	return func() {
		for _, span := range spans {
			span.End()
		}
	}
}
