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

// requireReceived requires that every mail in state "sent" was received, and no
// other. After a crash the mails of one batch may be sent again, because it is
// unknown which of them the server has; each keeps its Message-ID, so that mail
// programs show one.
func (s *smtpServer) requireReceived(t *testing.T, notifications sqldb.DB) {
	t.Helper()
	sent, err := sqldb.All(t.Context(), notifications, func(r sqldb.Row) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	}, "SELECT id FROM deliveries WHERE state = 'sent'")
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.received, len(sent))
	for _, id := range sent {
		require.Contains(t, []int{1, 2}, s.received[id], "how often mail %s was received, which is recorded as sent", id)
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
