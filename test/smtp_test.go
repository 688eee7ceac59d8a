package test

import (
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
)

// smtpServer accepts every mail and counts how often it came.
type smtpServer struct {
	address string

	mu       sync.Mutex
	received map[string]int // how often each mail came, by Message-ID
}

func startSMTPServer(t *testing.T) *smtpServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &smtpServer{address: listener.Addr().String(), received: map[string]int{}}
	server := smtp.NewServer(s)
	server.Domain = "localhost"
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return s
}

// NewSession returns the session of a connection.
func (s *smtpServer) NewSession(*smtp.Conn) (smtp.Session, error) { return smtpSession{s}, nil }

// requireReceived requires that every mail in state "sent" was received, and that each mail
// was received once, and once more at most for each attempt whose outcome is unknown: the
// server may have had the mail when the sender was killed. Each keeps its Message-ID, so
// that mail programs show one.
func (s *smtpServer) requireReceived(t *testing.T, notifications sqldb.DB) {
	t.Helper()
	unknown := map[string]int{}
	sent, err := sqldb.All(t.Context(), notifications, func(r sqldb.Row) (id string, err error) {
		var attempts int
		var state string
		err = r.Scan(&id, &state, &attempts)
		unknown[id] = attempts
		if state != "sent" {
			return "", err
		}
		return id, err
	}, `SELECT d.id, d.state, COUNT(a.n) FROM deliveries d LEFT JOIN attempts a ON a.delivery_id = d.id AND a.state = 'unknown'
		WHERE d.channel = 'email' GROUP BY d.id, d.state`)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range sent {
		if id != "" && s.received[id] == 0 {
			t.Errorf("mail %s is recorded as sent, but was not received", id)
		}
	}
	for id, times := range s.received {
		if times > 1+unknown[id] {
			t.Errorf("mail %s was received %d times, after %d attempts with an unknown outcome", id, times, unknown[id])
		}
	}
}

type smtpSession struct{ server *smtpServer }

func (smtpSession) Mail(string, *smtp.MailOptions) error { return nil }
func (smtpSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (smtpSession) Reset()                               {}
func (smtpSession) Logout() error                        { return nil }

// Data accepts one mail.
func (s smtpSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received[id]++
	return nil
}
