package smtp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/smtp/smtptest"
)

// longTimeout is for steps that take no time unless the machine is busy.
const longTimeout = 5 * time.Minute

func client(t *testing.T, s *smtptest.Server, url string) *smtp.Server {
	t.Helper()
	parsed, err := smtp.ParseURL(fmt.Sprintf(url, s.Addr), false)
	require.NoError(t, err)
	parsed.TLS = &tls.Config{RootCAs: s.Roots}
	return parsed
}

func open(t *testing.T, s *smtp.Server) *smtp.Session {
	t.Helper()
	session, err := s.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

func to(address string) smtp.Message {
	m := sampleMail()
	m.To.Address = address
	return m
}

func send(s *smtp.Session, address string) delivery.Attempt {
	return s.Send(to(address), func() error { return nil })
}

func TestSeveralMailsUseOneConnection(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	session := open(t, client(t, server, "smtp://%s"))
	for _, address := range []string{"ada@example.test", "eve@example.test", "zoe@example.test"} {
		require.Equal(t, delivery.Sent, send(session, address).State)
	}
	require.Equal(t, 1, server.Connections())
	require.Len(t, server.Mails(), 3)
	encoded, err := to("ada@example.test").Encode()
	require.NoError(t, err)
	require.Equal(t, smtptest.Mail{From: "shop@troupe.test", To: "ada@example.test", Data: string(encoded)}, server.Mails()[0])
}

func TestAFaultInAPhaseLeadsToItsState(t *testing.T) {
	t.Parallel()
	for _, phase := range []delivery.Phase{delivery.Mail, delivery.Rcpt, delivery.Body, delivery.Dot} {
		noReply := delivery.Deferred
		if phase == delivery.Dot {
			noReply = delivery.Unknown
		}
		permanent := delivery.Deferred
		if phase == delivery.Rcpt {
			permanent = delivery.Rejected
		}
		for name, c := range map[string]struct {
			fault  smtptest.Fault
			want   delivery.State
			broken bool
		}{
			"4xx":   {smtptest.Fault{At: phase, Code: 451}, delivery.Deferred, false},
			"421":   {smtptest.Fault{At: phase, Code: 421}, delivery.Deferred, true},
			"5xx":   {smtptest.Fault{At: phase, Code: 550}, permanent, false},
			"drop":  {smtptest.Fault{At: phase}, noReply, true},
			"stall": {smtptest.Fault{At: phase, Stall: true}, noReply, true},
		} {
			t.Run(string(phase)+" "+name, func(t *testing.T) {
				t.Parallel()
				server := smtptest.Start(t, smtptest.Options{})
				sender := client(t, server, "smtp://%s")
				sender.CommandTimeout, sender.DotTimeout = longTimeout, longTimeout
				if c.fault.Stall {
					sender.CommandTimeout, sender.DotTimeout = 2*time.Second, 2*time.Second // all before the fault takes less
				}
				session := open(t, sender)
				server.Fail(c.fault)
				m := to("ada@example.test")
				if phase == delivery.Body { // too long for the buffers, or the client would reach the dot before the fault
					m.Text = strings.Repeat("lorem ipsum\n", 1<<20)
				}

				got := session.Send(m, func() error { return nil })

				require.Equal(t, c.want, got.State, "%+v", got)
				require.Equal(t, c.broken, session.Broken())
				require.NotEmpty(t, got.Reply)
				require.Empty(t, server.Mails())
				if !c.broken {
					require.Equal(t, delivery.Sent, send(session, "eve@example.test").State, "the next mail must not be affected")
				}
			})
		}
	}
}

// Otherwise a server that is silent after the dot holds up a stop for minutes.
func TestAStopWaitsOnlyAMomentForTheReplyToTheDot(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	sender := client(t, server, "smtp://%s")
	sender.DotTimeout, sender.DotGrace = longTimeout, 10*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	session, err := sender.Open(ctx)
	require.NoError(t, err)
	server.Fail(smtptest.Fault{At: delivery.Dot, Stall: true})
	got := session.Send(to("ada@example.test"), func() error { stop(); return nil })
	require.Equal(t, delivery.Unknown, got.State)
	require.True(t, session.Broken())
}

func TestAFailureToConnectDefersMails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{
		"4xx": {At: delivery.Connect, Code: 450}, "5xx": {At: delivery.Connect, Code: 554}, "drop": {At: delivery.Connect},
		"stall": {At: delivery.Connect, Stall: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Options{})
			sender := client(t, server, "smtp://%s")
			if fault.Stall {
				sender.CommandTimeout = 200 * time.Millisecond
			}
			server.Fail(fault, fault) // EHLO, and HELO after it
			_, err := sender.Open(t.Context())
			require.Error(t, err)
			require.Equal(t, delivery.Deferred, delivery.Ended(delivery.Connect, err).State)
		})
	}
}

func TestAnUnreachableServerIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sender, err := smtp.ParseURL("smtp://"+listener.Addr().String(), false)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = sender.Open(t.Context())
	require.ErrorContains(t, err, "connect to 127.0.0.1")
}

// startRefusing starts a server that accepts every command and answers DATA with
// dataReply. It returns its address.
func startRefusing(t *testing.T, dataReply string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "220 hello\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			reply := "250 fine"
			if strings.HasPrefix(lines.Text(), "DATA") {
				reply = dataReply
			}
			fmt.Fprint(conn, reply+"\r\n")
		}
	}()
	return listener.Addr().String()
}

func TestARefusalOfDataEndsInTheBodyPhase(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]delivery.State{"451 not now": delivery.Deferred, "554 no": delivery.Deferred, "250 what?": delivery.Deferred} {
		sender, err := smtp.ParseURL("smtp://"+startRefusing(t, reply), false)
		require.NoError(t, err)
		got := send(open(t, sender), "ada@example.test")
		require.Equal(t, delivery.Body, got.Phase)
		require.Equal(t, want, got.State)
	}
}

func TestTheDotIsSentOnlyIfBeforeDotSucceeds(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	session := open(t, client(t, server, "smtp://%s"))
	got := session.Send(to("ada@example.test"), func() error {
		return errors.New("the lease is lost")
	})
	require.Equal(t, delivery.Deferred, got.State)
	require.True(t, session.Broken())
	session.Close()

	again := open(t, client(t, server, "smtp://%s"))
	require.Equal(t, delivery.Sent, send(again, "eve@example.test").State)
	require.Len(t, server.Mails(), 1, "the server has only the second mail")
}

func TestAShutdownClosesTheSession(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	session, err := client(t, server, "smtp://%s").Open(ctx)
	require.NoError(t, err)
	got := session.Send(to("ada@example.test"), func() error { stop(); return nil })
	require.NotEqual(t, delivery.Rejected, got.State)
	require.Equal(t, delivery.Deferred, send(session, "eve@example.test").State)
	require.True(t, session.Broken())
}

func TestMailsAreEncryptedIfTheServerOffersIt(t *testing.T) {
	t.Parallel()
	for url, options := range map[string]smtptest.Options{
		"smtp://%s": {TLS: true}, "smtps://%s": {Implicit: true},
		"smtp://ada:secret@%s":  {TLS: true, Password: "secret"},
		"smtps://ada:secret@%s": {Implicit: true, Password: "secret", Login: true},
	} {
		server := smtptest.Start(t, options)
		session := open(t, client(t, server, url))
		require.Equal(t, delivery.Sent, send(session, "ada@example.test").State)
		require.True(t, server.Mails()[0].TLS, url)
		if options.Password != "" {
			require.Equal(t, "ada", server.Mails()[0].User)
		}
	}
}

func TestAnUntrustedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	for url, options := range map[string]smtptest.Options{"smtp://%s": {TLS: true}, "smtps://%s": {Implicit: true}} {
		server := smtptest.Start(t, options)
		untrusting := client(t, server, url)
		untrusting.TLS = nil
		_, err := untrusting.Open(t.Context())
		require.ErrorContains(t, err, "certificate")
	}
}

func TestAFailedLoginIsReported(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{TLS: true, Password: "secret"})
	_, err := client(t, server, "smtp://ada:wrong@%s").Open(t.Context())
	require.ErrorContains(t, err, "log in as ada")
	require.NotContains(t, err.Error(), "wrong")

	server = smtptest.Start(t, smtptest.Options{TLS: true})
	_, err = client(t, server, "smtp://ada:secret@%s").Open(t.Context())
	require.ErrorContains(t, err, "neither PLAIN nor LOGIN")
}

func TestAPasswordIsNotSentUnencrypted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has 127.0.0.2, which is local but not treated as localhost")
	}
	server := smtptest.Start(t, smtptest.Options{Password: "secret", Host: "127.0.0.2"})
	_, err := client(t, server, "smtp://ada:secret@%s").Open(t.Context())
	require.ErrorContains(t, err, "unencrypted connection")

	here := smtptest.Start(t, smtptest.Options{Password: "secret"})
	require.Equal(t, delivery.Sent, send(open(t, client(t, here, "smtp://ada:secret@%s")), "ada@example.test").State)
}

func TestTheServerURLIsParsedStrictly(t *testing.T) {
	t.Parallel()
	s, err := smtp.ParseURL("smtp://ada:p%40ss@mail.example.com", false)
	require.NoError(t, err)
	require.Equal(t, []any{"mail.example.com", "587", "ada", "p@ss", false}, []any{s.Host, s.Port, s.User, s.Password, s.Implicit})
	s, err = smtp.ParseURL("smtps://mail.example.com:2465/", false)
	require.NoError(t, err)
	require.Equal(t, []any{"mail.example.com", "2465", "", true}, []any{s.Host, s.Port, s.User, s.Implicit})

	for _, wrong := range []string{"mail.example.com", "http://u:hunter2@mail.example.com", "smtp://", "smtp://u:hunter2@host/path", "smtp://u:hunter2@host?tls=no", "smtp://u:hunter2@host:x", "smtp://u:hunter2@%zz"} {
		_, err := smtp.ParseURL(wrong, false)
		require.ErrorContains(t, err, "NOTIFICATIONS_SMTP_URL")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestAServerWithoutSTARTTLSGetsNoMailIfItIsRequired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url                 string
		production, offered bool
		sent, encrypted     bool
	}{
		{url: "smtp+starttls://%s"},
		{url: "smtp+starttls://%s", offered: true, sent: true, encrypted: true},
		{url: "smtp://%s", production: true},
		{url: "smtp://%s", production: true, offered: true, sent: true, encrypted: true},
		{url: "smtp://%s", sent: true},
		{url: "smtp+plain://%s", production: true, sent: true},
		{url: "smtp+plain://%s", production: true, offered: true, sent: true, encrypted: true},
	} {
		server := smtptest.Start(t, smtptest.Options{TLS: c.offered})
		sender, err := smtp.ParseURL(fmt.Sprintf(c.url, server.Addr), c.production)
		require.NoError(t, err)
		sender.TLS = &tls.Config{RootCAs: server.Roots}
		session, err := sender.Open(t.Context())
		if !c.sent {
			require.ErrorContains(t, err, "does not offer STARTTLS", c.url)
			require.Empty(t, server.Mails())
			continue
		}
		require.NoError(t, err, c.url)
		require.Equal(t, delivery.Sent, session.Send(sampleMail(), func() error { return nil }).State)
		session.Close()
		require.Equal(t, c.encrypted, server.Mails()[0].TLS, c.url)
	}
}
