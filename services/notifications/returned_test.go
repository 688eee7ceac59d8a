package notifications_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp/smtptest"
)

const bounceSecret = "secret-of-the-mail-server"

// report returns a report about a mail that was sent to an address.
func report(deliveryID, address, status string) string {
	return strings.ReplaceAll(fmt.Sprintf(`From: MAILER-DAEMON@mx.shop.test
To: bounces+%s@shop.test
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.shop.test

Final-Recipient: rfc822; %s
Action: failed
Status: %s
Diagnostic-Code: smtp; 550 %s no such user
--x--
`, deliveryID, address, status, status), "\n", "\r\n")
}

// complaint returns a report that the recipient took a mail for spam.
func complaint(deliveryID, address string) string {
	return strings.ReplaceAll(fmt.Sprintf(`From: feedback@example.test
To: bounces+%s@shop.test
Content-Type: multipart/report; report-type=feedback-report; boundary="x"

--x
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: <%s>
--x--
`, deliveryID, address), "\n", "\r\n")
}

// mailServer returns a client that calls as the mail server of the bounce address.
func mailServer(h *servicetest.Harness) *servicetest.Client {
	return h.Anonymous().With("Authorization", "Bearer "+bounceSecret).With("Content-Type", "message/rfc822")
}

// runWithBounces is runWithServer with an address for returned mails.
func runWithBounces(t *testing.T, test func(t *testing.T, h *servicetest.Harness, server *smtptest.Server)) {
	t.Helper()
	runWithServer(t, test, servicetest.Setting("NOTIFICATIONS_BOUNCE_ADDRESS", "bounces@shop.test"),
		servicetest.Setting("NOTIFICATIONS_BOUNCE_SECRET", bounceSecret))
}

func TestADeadAddressGetsNoMoreMails(t *testing.T) {
	runWithBounces(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		id, _ := state(t, h, "user.registered")
		require.Equal(t, "bounces+"+id+"@shop.test", server.Mails()[0].From, "a report comes back with the delivery in its address")

		mailServer(h).Post(t, "/mail/returned", report(id, "Ada@Example.test", "5.1.1")).Want(t, 200, "effect", "suppressed")
		mailServer(h).Post(t, "/mail/returned", report(id, "ada@example.test", "5.1.1")).Want(t, 200, "effect", "ignored")
		_, s := state(t, h, "user.registered")
		require.Equal(t, "bounced", s)
		require.Equal(t, "bounced: 5.1.1 550 5.1.1 no such user", servicetest.Published[events.NotificationFailed](t, h)[0].Reason)

		h.Consumes(t, paid)
		require.Len(t, server.Mails(), 1)
		_, s = state(t, h, "order.paid")
		require.Equal(t, "suppressed", s)

		admin := h.As("admin", auth.Admin)
		suppression := admin.Get(t, "/suppressions").Want(t, 200, "items.0.address", "ada@example.test", "items.0.reason", "bounce").Field(t, "items.0.id")
		admin.Delete(t, "/suppressions/"+suppression).Want(t, 204)
		admin.Delete(t, "/suppressions/"+suppression).Problem(t, 404, "suppression_not_found")
		h.Consumes(t, shipped)
		require.Len(t, server.Mails(), 2)
	})
}

func TestAServersVerdictAboutTheAddressSuppressesIt(t *testing.T) {
	for reply, suppressed := range map[string]bool{
		"550 5.1.1 no such user": true, "550 5.2.2 mailbox full": false, "550 no such user": false, "554 5.7.1 Relay access denied": false,
	} {
		t.Run(reply, func(t *testing.T) {
			runWithServer(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
				server.Fail(smtptest.Fault{At: delivery.Rcpt, Reply: reply})
				h.Consumes(t, adaRegistered)
				h.Consumes(t, otherShipped)
				require.Len(t, server.Mails(), map[bool]int{true: 0, false: 1}[suppressed])
			})
		})
	}
}

func TestOnlyAReportAboutAMailToTheAddressSuppressesIt(t *testing.T) {
	runWithBounces(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered, registered(eve, "Eve", "eve@example.test", "en"))
		var page struct {
			Items []struct {
				ID     string
				UserID string `json:"user_id"`
			}
		}
		h.As("admin", auth.Admin).Get(t, "/deliveries").Want(t, 200).JSON(t, &page)
		byUser := map[string]string{}
		for _, d := range page.Items {
			byUser[d.UserID] = d.ID
		}
		for name, c := range map[string]struct{ mail, effect string }{
			"an unknown delivery":          {report("019b0000-0000-7000-8000-00000000ffff", "ada@example.test", "5.1.1"), "ignored"},
			"the address of another":       {report(byUser[eve], "ada@example.test", "5.1.1"), "recorded"},
			"a full mailbox":               {report(byUser[ada], "ada@example.test", "5.2.2"), "recorded"},
			"an answer of a person":        {"From: ada@example.test\r\n\r\nThank you!\r\n", "ignored"},
			"a report that is cut off":     {report(byUser[ada], "ada@example.test", "5.1.1")[:200], "ignored"},
			"a report without a recipient": {"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--x--\r\n", "ignored"},
		} {
			require.Equal(t, c.effect, mailServer(h).Post(t, "/mail/returned", c.mail).Want(t, 200).Field(t, "effect"), name)
		}
		h.As("admin", auth.Admin).Get(t, "/suppressions").Want(t, 200, "items", []any{})
		_ = server
	})
}

func TestAfterAComplaintOnlyWhatIsCriticalIsSent(t *testing.T) {
	runWithBounces(t, func(t *testing.T, h *servicetest.Harness, server *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		id, _ := state(t, h, "user.registered")
		mailServer(h).Post(t, "/mail/returned", complaint(id, "ada@example.test")).Want(t, 200, "effect", "suppressed")
		_, s := state(t, h, "user.registered")
		require.Equal(t, "complained", s)
		h.Consumes(t, paid, shipped, events.UserPasswordChanged{UserID: ada})
		require.Equal(t, []string{"Welcome to Tea & Mugs", "Your order DEADBEEF has been paid (30.48 EUR)", "Your password was changed"}, order(server))
	})
}

func TestStrangersCannotReportReturnedMails(t *testing.T) {
	runWithBounces(t, func(t *testing.T, h *servicetest.Harness, _ *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		id, _ := state(t, h, "user.registered")
		mail := report(id, "ada@example.test", "5.1.1")
		h.Anonymous().Post(t, "/mail/returned", mail).Problem(t, 401, "token_missing")
		h.Anonymous().With("Authorization", "Bearer guess").Post(t, "/mail/returned", mail).Problem(t, 401, "token_invalid")
		require.Equal(t, 403, h.As(ada, auth.User).Post(t, "/mail/returned", mail).Status)
		mailServer(h).Post(t, "/mail/returned", "no mail").Problem(t, 422, "mail_malformed")
		mailServer(h).Post(t, "/mail/returned", "A: b\r\n\r\n"+strings.Repeat("x", 1<<20)).Problem(t, 413, "body_too_large")
		_, s := state(t, h, "user.registered")
		require.Equal(t, "sent", s)
		h.As("admin", auth.Admin).Post(t, "/mail/returned", mail).Want(t, 200, "effect", "suppressed")
	})
}

func TestAnAdminKeepsTheSuppressionList(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		admin := h.As("admin", auth.Admin)
		id := admin.Post(t, "/suppressions", map[string]string{"address": "Ada@example.test", "detail": "asked by phone"}).
			Want(t, 201, "address", "ada@example.test", "reason", "manual", "detail", "asked by phone").Field(t, "id")
		admin.Post(t, "/suppressions", map[string]string{"address": "ada@example.test"}).Want(t, 201, "id", id, "detail", "asked by phone")
		require.Equal(t, "add_suppression ok "+id, strings.TrimPrefix(h.Audited(t)[0], "admin "))
		for _, wrong := range []string{"", "nobody", "a@b, c@d"} {
			admin.Post(t, "/suppressions", map[string]string{"address": wrong}).Problem(t, 422, "address_invalid")
		}
		admin.Post(t, "/suppressions", map[string]string{"address": "ada@example.test\r\nBcc: x@y.z"}).Problem(t, 422, "validation_failed")
		require.Equal(t, 403, h.As(ada, auth.User).Get(t, "/suppressions").Status)
		for n := range 5 {
			admin.Post(t, "/suppressions", map[string]string{"address": fmt.Sprintf("dead%d@example.test", n)}).Want(t, 201)
		}
		first := admin.Get(t, "/suppressions?limit=4").Want(t, 200, "items.0.address", "dead4@example.test")
		admin.Get(t, "/suppressions?limit=4&cursor="+first.Field(t, "next_cursor")).Want(t, 200, "items.1.address", "ada@example.test", "items.2", nil)
		admin.Get(t, "/suppressions?address=ADA@example.test").Want(t, 200, "items.0.id", id, "items.1", nil)

		h.Consumes(t, created)
		require.Len(t, mails(t, h, "ada@example.test"), 1, "only that before the suppression")
		require.Len(t, inboxOf(t, h, ada), 1)
	})
}

func TestAnErasedAddressRemainsSuppressedWithoutItsName(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered)
		admin := h.As("admin", auth.Admin)
		id := admin.Post(t, "/suppressions", map[string]string{"address": "ada@example.test", "detail": "ada asked"}).Field(t, "id")
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2}, registered(eve, "Ada", "Ada@example.test", "en"))
		admin.Get(t, "/suppressions").Want(t, 200, "items.0.id", id, "items.0.address", nil, "items.0.detail", nil)
		h.Advance(time.Minute)
		h.Settle(t)
		require.Empty(t, mails(t, h, "ada@example.test"))
	})
}

// A server may give up after days, when the account is long deleted. Its words contain the
// address.
func TestAReportAboutADeletedAccountLeavesNoAddress(t *testing.T) {
	runWithBounces(t, func(t *testing.T, h *servicetest.Harness, _ *smtptest.Server) {
		h.Consumes(t, adaRegistered)
		id, _ := state(t, h, "user.registered")
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		words := strings.ReplaceAll(report(id, "ada@example.test", "5.1.1"), "no such user", "<ada@example.test>: no such user")
		mailServer(h).Post(t, "/mail/returned", words).Want(t, 200, "effect", "recorded")
		_, s := state(t, h, "user.registered")
		require.Equal(t, "bounced", s)
		require.Empty(t, mentioning(t, h.DB, "ada@example.test"))
	})
}

// PostgreSQL and SQLite differ in the lower case of umlauts.
func TestAnErasedAddressMayHaveUmlauts(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, registered(ada, "Änne", "Änne@example.test", "de"))
		h.As("admin", auth.Admin).Post(t, "/suppressions", map[string]string{"address": "Änne@example.test"}).Want(t, 201)
		h.Consumes(t, events.UserDeleted{UserID: ada, Version: 2})
		h.As("admin", auth.Admin).Get(t, "/suppressions").Want(t, 200, "items.0.address", nil)
	})
}
