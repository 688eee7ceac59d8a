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

// postOffice is an SMTP server that takes everything and keeps count.
type postOffice struct {
	address string

	mu      sync.Mutex
	letters map[string]int // how often each came, by Message-ID
}

func openPostOffice(t *testing.T) *postOffice {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &postOffice{address: listener.Addr().String(), letters: map[string]int{}}
	server := smtp.NewServer(p)
	server.Domain = "localhost"
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return p
}

// NewSession is for one connection.
func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return counter{p}, nil }

// delivered demands that what was sent has come, and nothing else. A crash can
// have the mails of one batch sent again, for nobody can know which of them the
// server has; each keeps its Message-ID, so that its reader gets one.
func (p *postOffice) delivered(t *testing.T, db sqldb.DB) {
	t.Helper()
	sent, err := sqldb.All(t.Context(), db, func(r sqldb.Row) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	}, "SELECT id FROM deliveries WHERE state = 'sent'")
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Len(t, p.letters, len(sent))
	for _, id := range sent {
		require.Contains(t, []int{1, 2}, p.letters[id], "how often mail %s came, which says it was sent", id)
	}
}

type counter struct{ *postOffice }

func (counter) Mail(string, *smtp.MailOptions) error { return nil }
func (counter) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (counter) Reset()                               {}
func (counter) Logout() error                        { return nil }

// Data takes one mail.
func (c counter) Data(r io.Reader) error {
	letter, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, letter.Body); err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.Trim(letter.Header.Get("Message-ID"), "<>"), "@")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.letters[id]++
	return nil
}
