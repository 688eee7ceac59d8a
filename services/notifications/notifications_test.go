package notifications_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

const (
	ada     = "019b0000-0000-7000-8000-00000000ada0"
	eve     = "019b0000-0000-7000-8000-00000000e5e0"
	orderID = "019b0000-0000-7000-8000-0000deadbeef"
)

func registered(user, name, email, locale string) events.UserRegistered {
	return events.UserRegistered{UserID: user, Email: email, Name: name, Locale: locale, Version: 1}
}

var (
	adaRegistered = registered(ada, "Ada", "ada@example.test", "en")
	total         = events.Money{Amount: 3048, Currency: "EUR"}
	created       = events.OrderCreated{OrderID: orderID, UserID: ada, Total: total, Lines: []events.OrderLine{
		{SKU: "mug", Name: "Mug", Quantity: 2, UnitPrice: events.Money{Amount: 1299, Currency: "EUR"}},
		{SKU: "tea", Name: "Tea", Quantity: 1, UnitPrice: events.Money{Amount: 450, Currency: "EUR"}},
	}}
	paid      = events.OrderPaid{OrderID: orderID, UserID: ada, Amount: total}
	cancelled = events.OrderCancelled{OrderID: orderID, UserID: ada, Total: total, Reason: "payment_declined"}
	shipped   = events.OrderShipped{OrderID: orderID, UserID: ada}
	delivered = events.OrderDelivered{OrderID: orderID, UserID: ada}
	declined  = events.PaymentDeclined{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total, Reason: "insufficient_funds"}
	refunded  = events.PaymentRefunded{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: events.Money{Amount: 450, Currency: "EUR"}}

	// unnotified are events about which customers are not notified.
	unnotified = []event.Payload{
		events.OrderConfirmed{OrderID: orderID, UserID: ada, Total: total},
		events.PaymentAuthorized{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total},
		events.PaymentCaptured{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total},
		events.PaymentCaptureFailed{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total, Reason: "expired"},
		events.PaymentVoided{OrderID: orderID, UserID: ada, PaymentID: "p", Amount: total},
	}
)

type received struct {
	ID, From, To, Subject, Text, HTML string
	OrderID                           string `json:"order_id"`
}

// mails returns the mails to an address, newest first.
func mails(t *testing.T, h *servicetest.Harness, to string) []received {
	t.Helper()
	var page struct{ Items []received }
	h.Anonymous().Get(t, "/mailbox.json?to="+to).Want(t, 200).JSON(t, &page)
	return page.Items
}

func subjects(t *testing.T, h *servicetest.Harness, to string) []string {
	t.Helper()
	var all []string
	for _, m := range mails(t, h, to) {
		all = append(all, m.Subject)
	}
	return all
}

type entry struct {
	ID, Kind, Title, Body string
	OrderID               string    `json:"order_id"`
	CreatedAt             time.Time `json:"created_at"`
	ReadAt                time.Time `json:"read_at"`
}

func inboxOf(t *testing.T, h *servicetest.Harness, user string) []entry {
	t.Helper()
	var page struct{ Items []entry }
	h.As(user, auth.User).Get(t, "/notifications?limit=100").Want(t, 200).JSON(t, &page)
	return page.Items
}

func kinds(entries []entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Kind)
	}
	return all
}

func sentKinds(t *testing.T, h *servicetest.Harness) []string {
	t.Helper()
	var all []string
	for _, f := range servicetest.Published[events.NotificationSent](t, h) {
		require.Equal(t, "email", f.Channel)
		all = append(all, f.Kind)
	}
	return all
}

func TestACustomerIsNotifiedAboutEachStepOfAnOrder(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid, shipped, delivered, refunded)
		h.Consumes(t, unnotified...)

		require.Equal(t, []string{
			"Refund of 4.50 EUR for your order DEADBEEF",
			"Your order DEADBEEF has been shipped",
			"Your order DEADBEEF has been paid (30.48 EUR)",
			"We have received your order DEADBEEF (30.48 EUR)",
			"Welcome to Troupe",
		}, subjects(t, h, "ada@example.test"))
		for _, m := range mails(t, h, "ada@example.test")[:4] {
			require.Equal(t, `"Troupe" <hello@troupe.invalid>`, m.From)
			require.Equal(t, `<ada@example.test>`, m.To)
			require.Equal(t, orderID, m.OrderID)
			require.Contains(t, m.Text, "2 × Mug: 25.98 EUR")
			require.Contains(t, m.Text, "Total: 30.48 EUR")
			require.Contains(t, m.HTML, "1 × Tea")
		}
		require.Equal(t, []string{"payment.refunded", "order.delivered", "order.shipped", "order.paid", "order.created"}, kinds(inboxOf(t, h, ada)))
		require.Equal(t, []string{"user.registered", "order.created", "order.paid", "order.shipped", "payment.refunded"}, sentKinds(t, h))
	})
}

func TestTheOwnerIsMailedAboutTheSecurityOfTheirAccount(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, events.UserSignedInOnNewDevice{UserID: ada}, events.UserPasswordChanged{UserID: ada})
		require.Equal(t, []string{"Your password was changed", "A new sign-in to your account"}, subjects(t, h, "ada@example.test")[:2])
		require.Contains(t, mails(t, h, "ada@example.test")[1].Text, "change your password at once")
		require.Empty(t, inboxOf(t, h, ada), "whoever is signed in may read the inbox")
	})
}

func TestACancellationIsNotifiedWithItsReason(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, registered(ada, "Ada", "ada@example.test", "de-AT"), created, declined, cancelled)
		m := mails(t, h, "ada@example.test")[0]
		require.Equal(t, "Ihre Bestellung DEADBEEF wurde storniert", m.Subject)
		require.Contains(t, m.Text, "weil Ihre Zahlung abgelehnt wurde")
		require.Contains(t, m.Text, "30,48 EUR")
		inbox := inboxOf(t, h, ada)
		require.Equal(t, "Ihre Zahlung über 30,48 EUR wurde abgelehnt, weil das Konto nicht ausreichend gedeckt ist. Es wurde nichts abgebucht.", inbox[1].Body)
	})
}

func TestRedeliveredEventsChangeNothing(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.ConsumesBatch(t, adaRegistered, created, paid, cancelled, shipped, delivered, declined, refunded)
		h.ConsumesBatch(t, unnotified...)
		before := mails(t, h, "ada@example.test")
		require.Len(t, before, 6)
		inbox := inboxOf(t, h, ada)

		h.Redelivers(t)
		// Without the inbox's record of handled events, the delivery's own key must suffice.
		_, err := h.DB.Exec(t.Context(), "DELETE FROM inbox")
		require.NoError(t, err)
		h.Redelivers(t)

		require.Equal(t, before, mails(t, h, "ada@example.test"))
		require.Equal(t, inbox, inboxOf(t, h, ada))
		require.Len(t, sentKinds(t, h), 6)
	})
}

func TestAMailWaitsForItsAddressWithoutExpiring(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, paid)
		h.PublishesNothing(t)
		h.Advance(72 * time.Hour)
		h.Publishes(t, events.ProjectionRequested{Projection: "users", Consumer: "notifications"})
		h.Advance(72 * time.Hour)
		h.PublishesNothing(t)
		h.As("admin", auth.Admin).Get(t, "/deliveries?state=waiting").Want(t, 200,
			"items.0.order_id", orderID, "items.0.kind", "order.paid", "items.0.attempts", 0, "items.0.reply", "no address yet")

		h.Consumes(t, adaRegistered)

		require.ElementsMatch(t, []string{"Your order DEADBEEF has been paid (30.48 EUR)", "Welcome to Troupe"}, subjects(t, h, "ada@example.test"))
		require.NotContains(t, mails(t, h, "ada@example.test")[0].Text+mails(t, h, "ada@example.test")[1].Text, "Mug", "what was ordered is not known")
		require.Len(t, sentKinds(t, h), 2)
	})
}

func TestTheOrderOfEventsDoesNotMatter(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.ConsumesBatch(t, shipped, paid, created, adaRegistered)
		require.Len(t, subjects(t, h, "ada@example.test"), 4)
		require.Len(t, inboxOf(t, h, ada), 3)
		require.Contains(t, mails(t, h, "ada@example.test")[0].Text+mails(t, h, "ada@example.test")[3].Text, "Mug")
	})
}

func TestALateEventDoesNotOverwriteANewerAddress(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t,
			events.UserUpdated{UserID: ada, Email: "new@example.test", Name: "Ada L.", Locale: "de", Version: 3},
			events.UserUpdated{UserID: ada, Email: "mid@example.test", Name: "Ada", Locale: "en", Version: 2},
			adaRegistered, created)
		require.Equal(t, []string{"Wir haben Ihre Bestellung DEADBEEF erhalten (30,48 EUR)", "Willkommen bei Troupe"}, subjects(t, h, "new@example.test"))
		require.Empty(t, subjects(t, h, "mid@example.test"))
		require.Empty(t, subjects(t, h, "ada@example.test"))
	})
}

func TestADeletedUserIsErasedAndStaysErased(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, registered(eve, "Eve", "eve@example.test", "en"))

		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		h.Consumes(t, paid, shipped, adaRegistered,
			events.UserUpdated{UserID: ada, Email: "ada@example.test", Name: "Ada", Version: 9})

		require.Empty(t, mails(t, h, "ada@example.test"))
		require.Empty(t, inboxOf(t, h, ada))
		require.Len(t, mails(t, h, "eve@example.test"), 1)
		for _, table := range []string{"recipients WHERE email <> '' AND user_id", "orders WHERE user_id", "notices WHERE user_id", "mails WHERE user_id"} {
			var n int
			require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+table+" = $1", ada).Scan(&n))
			require.Zero(t, n, table)
		}
		require.Len(t, sentKinds(t, h), 3, "nothing was sent after the deletion")
	})
}

func TestWaitingMailsOfADeletedUserAreSuppressed(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, paid)
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		failed := servicetest.Published[events.NotificationFailed](t, h)
		require.Len(t, failed, 1)
		require.Equal(t, "order.paid", failed[0].Kind)
		require.Equal(t, orderID, failed[0].OrderID)
		require.Contains(t, failed[0].Reason, "account was deleted")
		h.As("admin", auth.Admin).Get(t, "/deliveries?state=suppressed").Want(t, 200, "items.0.id", failed[0].DeliveryID, "items.0.next_at", nil)
	})
}

// A person who registers the address of another chooses the name of the account.
func TestNoMailCarriesAStrangersWords(t *testing.T) {
	for name, words := range map[string]string{
		"a link":          "Claim your refund now https://evil.example/pay",
		"markup":          "<b>Claim</b>",
		"another header":  "Claim\r\nBcc: all@example.test",
		"an encoded word": "=?utf-8?B?4oCuQ2xhaW0=?=",
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
				h.Consumes(t, registered(ada, words, "victim@example.test", "en"), created, paid, cancelled, shipped, refunded)
				sent := mails(t, h, "victim@example.test")
				require.Len(t, sent, 6)
				for _, m := range sent {
					for _, part := range []string{m.From, m.To, m.Subject, m.Text, m.HTML} {
						for _, word := range []string{"Claim", "evil", "=?", "<b>"} {
							require.NotContains(t, part, word)
						}
					}
				}
			})
		})
	}
}

func TestABacklogOfMailsIsSent(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		var payloads []event.Payload
		for i := range 600 {
			o := created
			o.OrderID = orderID[:33] + string(rune('a'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
			payloads = append(payloads, o)
		}
		h.ConsumesBatch(t, append(payloads, adaRegistered)...)
		require.Len(t, sentKinds(t, h), 601)
		require.Len(t, mails(t, h, "ada@example.test"), 50)
	}, servicetest.Setting("NOTIFICATIONS_MAILS_PER_HOUR", "0"))
}

func TestARevokedSessionIsRefused(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As(ada, auth.User).Get(t, "/notifications").Want(t, 200)
		h.Consumes(t, events.SessionRevoked{SessionID: "session-" + ada, UserID: ada, Until: events.Time{Time: h.Now().Add(time.Hour)}})
		require.Equal(t, 401, h.As(ada, auth.User).Get(t, "/notifications").Status)
	})
}

func TestOldMailsAreDeleted(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created)
		h.Advance(36 * time.Hour)
		h.Consumes(t, paid)
		require.Len(t, mails(t, h, "ada@example.test"), 3)
		h.Advance(36 * time.Hour)
		h.Settle(t)
		require.Equal(t, []string{"Your order DEADBEEF has been paid (30.48 EUR)"}, subjects(t, h, "ada@example.test"))
		require.Len(t, inboxOf(t, h, ada), 2, "the inbox stays")
	}, servicetest.Setting("NOTIFICATIONS_MAIL_RETENTION", "48h"))
}
