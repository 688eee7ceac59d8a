package notifications

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"troupe/patterns/event"
	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/services/notifications/internal/bounce"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/store"
)

// The effects of a report.
const (
	ignored    = "ignored"    // no report, or about no mail of this shop, or one that was recorded before
	recorded   = "recorded"   // the mail's state shows it
	suppressed = "suppressed" // and no more mails are sent to the address
)

// serveReturnedMail adds the operation to which the mail server of the bounce address
// hands each mail that it receives.
func (s *service) serveReturnedMail(api *httpapi.API) {
	api.Handle("POST /mail/returned", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		effect, err := s.takeReturned(r)
		if err != nil {
			httpapi.WriteProblem(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"effect": effect}) // an error means that the client has disconnected
	}))
}

func (s *service) takeReturned(r *http.Request) (effect string, err error) {
	if err := s.authorizeReturned(r); err != nil {
		return "", err
	}
	raw, err := io.ReadAll(r.Body)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", fault.New(fault.TooLarge, "body_too_large", "the mail has more than %d bytes; hand over its first part alone", tooLarge.Limit)
	}
	if err != nil {
		return "", fault.New(fault.Malformed, "body_incomplete", "the mail could not be read to its end; send it again").WithCause(err)
	}
	report, err := bounce.Parse(raw)
	if err != nil {
		return "", fault.New(fault.Invalid, "mail_malformed", "this is no mail in the format of RFC 5322; send it as it was received, with its header").WithCause(err)
	}
	return s.recordReturned(r.Context(), report)
}

// authorizeReturned permits admins, and the holder of the secret in the settings.
func (s *service) authorizeReturned(r *http.Request) error {
	token, err := httpapi.BearerToken(r.Header)
	switch {
	case err != nil:
		return err
	case token == "":
		return httpapi.ErrTokenMissing
	case s.BounceSecret != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.BounceSecret)) == 1:
		return nil
	}
	caller, err := s.Verifier.Verify(r.Context(), token)
	if err == nil && caller.Role != auth.Admin {
		err = httpapi.RoleRequired(auth.Admin)
	}
	return err
}

// recordReturned records a report about a mail of this shop. Only the recipient knows the
// id of a delivery, so a stranger's report has no effect; and only the address to which
// the mail was sent can be suppressed by it.
func (s *service) recordReturned(ctx context.Context, report bounce.Report) (effect string, err error) {
	state := stateOf(report)
	if state == "" || report.DeliveryID == "" {
		return ignored, nil
	}
	effect = ignored
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		to, err := recipientOf(ctx, tx, report.DeliveryID)
		if err != nil {
			return err
		}
		d, found, err := store.Return(ctx, tx, report.DeliveryID, state, wordsOf(report, to), s.Now())
		if err != nil || !found {
			return err
		}
		effect = recorded
		if err := s.Outbox.AddPending(ctx, tx, event.Pending{Payload: notificationFailed(d), Cause: &event.Envelope{ID: d.EventID, Traceparent: d.Traceparent}}); err != nil {
			return err
		}
		reason := suppressionFor(report)
		if reason == "" || to.Email == "" || !ascii.EqualFold(to.Email, report.Recipient) {
			return nil
		}
		effect = suppressed
		return store.Suppress(ctx, tx, store.Suppression{
			ID: s.NewID(), Address: report.Recipient, Reason: reason, Detail: d.Reply, CreatedAt: s.Now(),
		})
	})
	return effect, err
}

// recipientOf returns the recipient of a delivery, an empty one if there is none.
func recipientOf(ctx context.Context, tx sqldb.Tx, deliveryID string) (store.Recipient, error) {
	d, found, err := store.FindDelivery(ctx, tx, deliveryID)
	if err != nil || !found {
		return store.Recipient{}, err
	}
	recipients, err := store.Recipients(ctx, tx, []string{d.UserID})
	return recipients[d.UserID], err
}

// wordsOf returns what of a report is stored. The server's words may contain the address,
// so only the status is left if the account was deleted.
func wordsOf(report bounce.Report, to store.Recipient) string {
	if to.Deleted {
		return truncated(report.Status)
	}
	return truncated(strings.TrimSpace(report.Status + " " + report.Diagnostic))
}

// stateOf returns the state of a mail that was returned; empty if nothing is decided.
func stateOf(report bounce.Report) delivery.State {
	switch report.Kind {
	case bounce.Failed:
		return delivery.Bounced
	case bounce.Complaint:
		return delivery.Complained
	}
	return ""
}

// suppressionFor returns the reason for which the address gets no more mails; empty if it
// still does: a full mailbox may have room again.
func suppressionFor(report bounce.Report) string {
	switch {
	case report.Kind == bounce.Complaint:
		return store.Complained
	case delivery.IsDeadAddress(strings.TrimPrefix(report.Status, "5.")) && strings.HasPrefix(report.Status, "5."):
		return store.Bounced
	}
	return ""
}

// truncated returns the first 500 bytes of a reply, whole characters only.
func truncated(reply string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(reply[:min(len(reply), 500)], "\x00", ""), "")
}
