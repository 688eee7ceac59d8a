package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"troupe/services/notifications/internal/delivery"
)

// Session is one connection. It is not for concurrent use.
type Session struct {
	server *Server
	ctx    context.Context // a connection has a life of its own, and this ends it
	conn   net.Conn
	client *smtp.Client
	broken bool
}

// Broken says that the connection is of no more use.
func (s *Session) Broken() bool { return s.broken }

// Send hands in one mail. beforeDot is called when all but the final dot is
// sent: the last moment at which the mail is certainly not the server's. If it
// fails, the mail is not sent.
func (s *Session) Send(m Message, beforeDot func() error) delivery.Attempt {
	encoded, err := m.Encode()
	if err != nil {
		return delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, Reply: err.Error()}
	}
	phase, err := s.send(m.From.Address, m.To.Address, encoded, beforeDot)
	s.clean(phase, err)
	return delivery.Ended(phase, err)
}

func (s *Session) send(from, to string, encoded []byte, beforeDot func() error) (delivery.Phase, error) {
	release := s.bound(s.server.CommandTimeout)
	defer release()
	s.client.SkipSMTPUTF8(ascii(from) && ascii(to)) // asked for only if needed: the next hop may not know it
	if err := s.client.Mail("<" + from + ">"); err != nil {
		return delivery.Mail, fmt.Errorf("MAIL: %w", err)
	}
	if err := s.client.Rcpt("<" + to + ">"); err != nil {
		return delivery.Rcpt, fmt.Errorf("RCPT: %w", err)
	}
	body, err := s.client.Data()
	if err != nil {
		return delivery.Body, fmt.Errorf("DATA: %w", err)
	}
	if err := writeAll(body, encoded); err != nil {
		return delivery.Body, fmt.Errorf("body: %w", err)
	}
	if err := beforeDot(); err != nil {
		s.broken = true // only a lost connection takes back an unfinished DATA
		return delivery.Body, err
	}
	release()
	if err := s.conn.SetDeadline(time.Now().Add(s.server.DotTimeout)); err != nil {
		return delivery.Dot, err
	}
	if err := body.Close(); err != nil {
		return delivery.Dot, fmt.Errorf("verdict: %w", err)
	}
	return delivery.Dot, nil
}

// writeAll does not close w, whose Close is the final dot.
func writeAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// clean leaves the connection fit for the next mail, or marks it broken: after
// a refusal the server has to forget the transaction, or it refuses the next
// mail for nesting; after 421 or silence there is nobody left to talk to.
func (s *Session) clean(phase delivery.Phase, err error) {
	if err == nil {
		return
	}
	var reply *textproto.Error
	if !errors.As(err, &reply) || reply.Code == 421 || s.broken {
		s.broken = true
		s.conn.Close()
		return
	}
	if phase == delivery.Dot {
		return // the verdict has ended the transaction
	}
	release := s.bound(s.server.CommandTimeout)
	defer release()
	if err := s.client.Reset(); err != nil {
		s.broken = true
		s.conn.Close()
	}
}

// Close says goodbye and hangs up.
func (s *Session) Close() {
	if s.broken {
		return
	}
	release := s.bound(s.server.CommandTimeout)
	defer release()
	_ = s.client.Quit() // every mail has its verdict; manners only
	s.conn.Close()
}

// bound lets what follows take so long at most, and end with the context.
func (s *Session) bound(d time.Duration) (release func()) {
	_ = s.conn.SetDeadline(time.Now().Add(d)) // fails only on a dead connection, as the next use will
	stop := context.AfterFunc(s.ctx, func() { s.conn.Close() })
	return func() { stop() }
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
