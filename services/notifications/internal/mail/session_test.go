package mail_test

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
	"troupe/services/notifications/internal/mail"
	"troupe/services/notifications/internal/mail/mailtest"
)

// patience bounds what should take no time, on a machine that is busy.
const patience = 5 * time.Minute

func client(t *testing.T, s *mailtest.Server, url string) *mail.Server {
	t.Helper()
	parsed, err := mail.Parse(fmt.Sprintf(url, s.Addr))
	require.NoError(t, err)
	parsed.TLS = &tls.Config{RootCAs: s.Roots}
	return parsed
}

func open(t *testing.T, s *mail.Server) *mail.Session {
	t.Helper()
	session, err := s.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

func to(address string) mail.Message {
	m := letter()
	m.To.Address = address
	return m
}

func send(s *mail.Session, address string) delivery.Attempt {
	return s.Send(to(address), func() error { return nil })
}

func TestSeveralMailsGoOverOneConnection(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	session := open(t, client(t, server, "smtp://%s"))
	for _, address := range []string{"ada@example.test", "eve@example.test", "zoe@example.test"} {
		require.Equal(t, delivery.Sent, send(session, address).State)
	}
	require.Equal(t, 1, server.Connections())
	require.Len(t, server.Mails(), 3)
	encoded, err := to("ada@example.test").Encode()
	require.NoError(t, err)
	require.Equal(t, mailtest.Mail{From: "shop@troupe.test", To: "ada@example.test", Data: string(encoded)}, server.Mails()[0])
}

func TestEveryFaultAtEveryPhaseEndsInItsState(t *testing.T) {
	t.Parallel()
	for _, phase := range []delivery.Phase{delivery.Mail, delivery.Rcpt, delivery.Body, delivery.Dot} {
		silent := delivery.Deferred
		if phase == delivery.Dot {
			silent = delivery.Unknown
		}
		for name, c := range map[string]struct {
			fault  mailtest.Fault
			want   delivery.State
			broken bool
		}{
			"4xx":   {mailtest.Fault{At: phase, Code: 451}, delivery.Deferred, false},
			"421":   {mailtest.Fault{At: phase, Code: 421}, delivery.Deferred, true},
			"5xx":   {mailtest.Fault{At: phase, Code: 550}, delivery.Rejected, false},
			"drop":  {mailtest.Fault{At: phase}, silent, true},
			"stall": {mailtest.Fault{At: phase, Stall: true}, silent, true},
		} {
			t.Run(string(phase)+" "+name, func(t *testing.T) {
				t.Parallel()
				server := mailtest.Start(t, mailtest.Options{})
				sender := client(t, server, "smtp://%s")
				sender.CommandTimeout, sender.DotTimeout = patience, patience
				if c.fault.Stall {
					sender.CommandTimeout, sender.DotTimeout = 200*time.Millisecond, 200*time.Millisecond
				}
				session := open(t, sender)
				server.Fail(c.fault)
				m := to("ada@example.test")
				if phase == delivery.Body { // too long to be buffered, or we would be at the dot before anything goes wrong
					m.Text = strings.Repeat("lorem ipsum\n", 1<<20)
				}

				got := session.Send(m, func() error { return nil })

				require.Equal(t, c.want, got.State, "%+v", got)
				require.Equal(t, c.broken, session.Broken())
				require.NotEmpty(t, got.Reply)
				require.Empty(t, server.Mails())
				if !c.broken {
					require.Equal(t, delivery.Sent, send(session, "eve@example.test").State, "the next mail must not suffer")
				}
			})
		}
	}
}

func TestAServerThatWillNotTalkIsNoMailsFault(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]mailtest.Fault{
		"4xx": {At: delivery.Connect, Code: 450}, "5xx": {At: delivery.Connect, Code: 554}, "drop": {At: delivery.Connect},
		"stall": {At: delivery.Connect, Stall: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, mailtest.Options{})
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

func TestNobodyListening(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sender, err := mail.Parse("smtp://" + listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = sender.Open(t.Context())
	require.ErrorContains(t, err, "connect to 127.0.0.1")
}

// refusing answers every command with a fixed reply and DATA with its own.
func refusing(t *testing.T, dataReply string) string {
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

func TestDataMayBeRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]delivery.State{"451 not now": delivery.Deferred, "554 no": delivery.Rejected, "250 what?": delivery.Deferred} {
		sender, err := mail.Parse("smtp://" + refusing(t, reply))
		require.NoError(t, err)
		got := send(open(t, sender), "ada@example.test")
		require.Equal(t, delivery.Body, got.Phase)
		require.Equal(t, want, got.State)
	}
}

func TestTheDotIsSentOnlyIfWeStillMay(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	session := open(t, client(t, server, "smtp://%s"))
	got := session.Send(to("ada@example.test"), func() error {
		return errors.New("somebody else has this mail now")
	})
	require.Equal(t, delivery.Deferred, got.State)
	require.True(t, session.Broken())
	session.Close()

	again := open(t, client(t, server, "smtp://%s"))
	require.Equal(t, delivery.Sent, send(again, "eve@example.test").State)
	require.Len(t, server.Mails(), 1, "only the second mail was taken")
}

func TestStoppingInterruptsTheTalkButNotTheVerdict(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	session, err := client(t, server, "smtp://%s").Open(ctx)
	require.NoError(t, err)
	got := session.Send(to("ada@example.test"), func() error { stop(); return nil })
	require.NotEqual(t, delivery.Rejected, got.State)
	require.Equal(t, delivery.Deferred, send(session, "eve@example.test").State)
	require.True(t, session.Broken())
}

func TestMailsAreEncryptedWhereverTheServerCan(t *testing.T) {
	t.Parallel()
	for url, options := range map[string]mailtest.Options{
		"smtp://%s": {TLS: true}, "smtps://%s": {Implicit: true},
		"smtp://ada:secret@%s":  {TLS: true, Password: "secret"},
		"smtps://ada:secret@%s": {Implicit: true, Password: "secret", Login: true},
	} {
		server := mailtest.Start(t, options)
		session := open(t, client(t, server, url))
		require.Equal(t, delivery.Sent, send(session, "ada@example.test").State)
		require.True(t, server.Mails()[0].TLS, url)
		if options.Password != "" {
			require.Equal(t, "ada", server.Mails()[0].User)
		}
	}
}

func TestAServerThatCanNotProveItsNameGetsNoMail(t *testing.T) {
	t.Parallel()
	for url, options := range map[string]mailtest.Options{"smtp://%s": {TLS: true}, "smtps://%s": {Implicit: true}} {
		server := mailtest.Start(t, options)
		stranger := client(t, server, url)
		stranger.TLS = nil
		_, err := stranger.Open(t.Context())
		require.ErrorContains(t, err, "certificate")
	}
}

func TestAWrongPasswordIsSaidSo(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{TLS: true, Password: "secret"})
	_, err := client(t, server, "smtp://ada:wrong@%s").Open(t.Context())
	require.ErrorContains(t, err, "log in as ada")
	require.NotContains(t, err.Error(), "wrong")

	server = mailtest.Start(t, mailtest.Options{TLS: true})
	_, err = client(t, server, "smtp://ada:secret@%s").Open(t.Context())
	require.ErrorContains(t, err, "neither PLAIN nor LOGIN")
}

func TestAPasswordNeverTravelsInTheClear(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has 127.0.0.2, which is local but not called so")
	}
	server := mailtest.Start(t, mailtest.Options{Password: "secret", Host: "127.0.0.2"})
	_, err := client(t, server, "smtp://ada:secret@%s").Open(t.Context())
	require.ErrorContains(t, err, "unencrypted connection")

	here := mailtest.Start(t, mailtest.Options{Password: "secret"})
	require.Equal(t, delivery.Sent, send(open(t, client(t, here, "smtp://ada:secret@%s")), "ada@example.test").State)
}

func TestTheAddressOfTheServerIsReadStrictly(t *testing.T) {
	t.Parallel()
	s, err := mail.Parse("smtp://ada:p%40ss@mail.example.com")
	require.NoError(t, err)
	require.Equal(t, []any{"mail.example.com", "587", "ada", "p@ss", false}, []any{s.Host, s.Port, s.User, s.Password, s.Implicit})
	s, err = mail.Parse("smtps://mail.example.com:2465/")
	require.NoError(t, err)
	require.Equal(t, []any{"mail.example.com", "2465", "", true}, []any{s.Host, s.Port, s.User, s.Implicit})

	for _, wrong := range []string{"mail.example.com", "http://u:hunter2@mail.example.com", "smtp://", "smtp://u:hunter2@host/path", "smtp://u:hunter2@host?tls=no", "smtp://u:hunter2@host:x", "smtp://u:hunter2@%zz"} {
		_, err := mail.Parse(wrong)
		require.ErrorContains(t, err, "SMTP_URL")
		require.NotContains(t, err.Error(), "hunter2")
	}
}
