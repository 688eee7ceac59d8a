package delivery_test

import (
	"fmt"
	"net/textproto"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/delivery"
)

// refused returns the attempt that ended in phase with a line of the server.
func refused(t *testing.T, phase delivery.Phase, line string) delivery.Attempt {
	t.Helper()
	code, err := strconv.Atoi(line[:3])
	require.NoError(t, err)
	return delivery.Ended(phase, fmt.Errorf("submit: %w", &textproto.Error{Code: code, Msg: line[4:]}))
}

// The replies of real servers, and what each is about.
func TestOnlyAVerdictAboutTheMailboxEndsAMail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phase delivery.Phase
		line  string
		about delivery.Subject
		final bool
	}{
		{delivery.Rcpt, "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in local recipient table", delivery.AboutMailbox, true},
		{delivery.Rcpt, "550 5.1.1 The email account that you tried to reach does not exist", delivery.AboutMailbox, true},
		{delivery.Rcpt, "550 5.1.2 bad destination system address", delivery.AboutMailbox, true},
		{delivery.Rcpt, "556 5.1.10 recipient address has null MX", delivery.AboutMailbox, true},
		{delivery.Rcpt, "550 5.2.1 The email account that you tried to reach is disabled", delivery.AboutMailbox, true},
		{delivery.Dot, "552 5.2.2 The recipient's inbox is out of storage space, over quota", delivery.AboutMailbox, true},
		{delivery.Rcpt, "550 no such user here", delivery.AboutMailbox, true},
		{delivery.Rcpt, "550 5.0.0 mailbox unavailable", delivery.AboutMailbox, true},

		{delivery.Rcpt, "552 exceeded storage allocation", delivery.AboutMailbox, false},
		{delivery.Rcpt, "452 4.2.2 The recipient's inbox is out of storage space", delivery.AboutMailbox, false},
		{delivery.Rcpt, "451 4.7.1 Greylisting in action, please come back later", delivery.AboutMailbox, false},
		{delivery.Rcpt, "450 mailbox busy", delivery.AboutMailbox, false},
		{delivery.Dot, "552 5.3.4 message too big for system", delivery.AboutContent, false},
		{delivery.Dot, "554 5.6.0 malformed message", delivery.AboutContent, false},
		{delivery.Dot, "554 no", delivery.AboutContent, false},

		{delivery.Connect, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", delivery.AboutHELO, false},
		{delivery.Rcpt, "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", delivery.AboutHELO, false},
		{delivery.Rcpt, "450 4.7.1 <vm>: Helo command rejected: Host not found", delivery.AboutHELO, false},
		{delivery.Mail, "553 5.7.1 <hello@shop.example>: Sender address rejected: not owned by user shop", delivery.AboutSender, false},
		{delivery.Rcpt, "550 5.1.8 <hello@shop.example>: Sender address rejected: Domain not found", delivery.AboutSender, false},
		{delivery.Mail, "550 5.1.0 address rejected", delivery.AboutSender, false},
		{delivery.Connect, "550 5.1.1 go away", delivery.AboutSender, false},
		{delivery.Dot, "554 5.2.252 SendAsDenied; shop@example.com not allowed to send as hello@shop.example", delivery.AboutSender, false},
		{delivery.Dot, "550 5.7.26 This mail is unauthenticated: SPF did not pass", delivery.AboutSender, false},
		{delivery.Rcpt, "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.example", delivery.AboutPolicy, false},
		{delivery.Rcpt, "550 5.7.1 message refused", delivery.AboutPolicy, false},
		{delivery.Dot, "550 High probability of spam", delivery.AboutPolicy, false},
		{delivery.Rcpt, "554 5.7.1 <x@example.com>: Relay access denied", delivery.AboutRelay, false},
		{delivery.Rcpt, "550 relay not permitted", delivery.AboutRelay, false},
		{delivery.Mail, "550 5.4.5 Daily user sending limit exceeded", delivery.AboutLimit, false},
		{delivery.Rcpt, "550 5.4.5 Daily user sending limit exceeded", delivery.AboutLimit, false},
		{delivery.Mail, "550 5.7.0 Hourly quota exceeded", delivery.AboutLimit, false},
		{delivery.Mail, "554 5.7.1 Too many messages, try again later", delivery.AboutLimit, false},
		{delivery.Mail, "421 4.7.0 Too many messages in this session", delivery.AboutLimit, false},
		{delivery.Mail, "530 5.7.0 Authentication required", delivery.AboutLogin, false},
		{delivery.Connect, "535 5.7.8 Authentication failed", delivery.AboutLogin, false},
		{delivery.Connect, "421 4.3.2 shutting down", delivery.AboutServer, false},
		{delivery.Rcpt, "452 4.3.1 Insufficient system storage", delivery.AboutServer, false},
		{delivery.Body, "354 4.0.0 again", delivery.AboutServer, false},
	} {
		t.Run(string(c.phase)+" "+c.line, func(t *testing.T) {
			t.Parallel()
			got := refused(t, c.phase, c.line)
			want := delivery.Deferred
			if c.final {
				want = delivery.Rejected
			}
			require.Equal(t, want, got.State)
			require.Equal(t, c.about, got.About)
			require.Equal(t, c.line, got.Reply)
			if got.About.Shared() {
				require.Contains(t, delivery.SharedSubjects, got.About)
			}
		})
	}
}

func TestAMailThatIsNoLongerTrueIsNamed(t *testing.T) {
	t.Parallel()
	require.Equal(t, "order.cancelled", delivery.SupersededBy("order.created", []string{"order.created", "order.cancelled"}))
	require.Equal(t, "order.cancelled", delivery.SupersededBy("order.paid", []string{"order.created", "order.paid", "order.cancelled"}))
	for _, kind := range []string{"order.shipped", "order.cancelled", "payment.refunded"} {
		require.Empty(t, delivery.SupersededBy(kind, []string{"order.created", "order.paid", "order.shipped", "order.cancelled", "payment.refunded"}))
	}
	require.Empty(t, delivery.SupersededBy("order.created", []string{"order.created"}))
}
