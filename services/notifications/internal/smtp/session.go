package smtp

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

// Session is one connection to a server. It is not safe for concurrent use.
type Session struct {
	server *Server
	ctx    context.Context // closes the connection when it ends; see Server.Open
	conn   net.Conn
	client *smtp.Client
	broken bool
}

// Broken reports whether the connection can no longer be used.
func (s *Session) Broken() bool { return s.broken }

// Send submits one mail. It calls beforeDot when everything but the final dot has been
// sent, which is the last moment at which the server certainly does not own the mail.
// If beforeDot returns an error, the final dot is not sent and the server discards the
// mail.
func (s *Session) Send(m Message, beforeDot func() error) delivery.Attempt {
	encoded, err := m.Encode()
	if err != nil {
		return delivery.Attempt{Phase: delivery.Connect, State: delivery.Rejected, About: delivery.AboutContent, Reply: err.Error()}
	}
	if s.server.Sign != nil {
		if encoded, err = s.server.Sign(encoded); err != nil {
			return delivery.Attempt{Phase: delivery.Connect, State: delivery.Deferred, Reply: err.Error()}
		}
	}
	phase, err := s.send(m.returnAddress(), m.To.Address, encoded, beforeDot)
	s.recoverFrom(phase, err)
	return delivery.Ended(phase, err)
}

func (s *Session) send(from, to string, encoded []byte, beforeDot func() error) (delivery.Phase, error) {
	unlimit := s.limit(s.server.CommandTimeout)
	defer unlimit()
	s.client.SkipSMTPUTF8(isASCII(from) && isASCII(to)) // requested only if needed: the next server may not support it
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
		s.broken = true // only closing the connection withdraws an unfinished DATA
		return delivery.Body, fmt.Errorf("%w: %w", delivery.ErrWithdrawn, err)
	}
	unlimit()
	if err := s.conn.SetDeadline(time.Now().Add(s.server.DotTimeout)); err != nil {
		return delivery.Dot, err
	}
	hurry := context.AfterFunc(s.ctx, func() { _ = s.conn.SetDeadline(time.Now().Add(s.server.DotGrace)) }) // fails only on a closed connection
	defer hurry()
	if err := body.Close(); err != nil {
		return delivery.Dot, fmt.Errorf("reply to the final dot: %w", err)
	}
	return delivery.Dot, nil
}

// writeAll writes b. It does not close w, because that would send the final dot.
func writeAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// recoverFrom makes the connection usable for the next mail, or marks it broken. After a
// refusal the server must reset the transaction, or it would refuse the next mail as a
// nested one. After 421, or without a reply, the connection is of no more use.
func (s *Session) recoverFrom(phase delivery.Phase, err error) {
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
		return // the reply has ended the transaction
	}
	unlimit := s.limit(s.server.CommandTimeout)
	defer unlimit()
	if err := s.client.Reset(); err != nil {
		s.broken = true
		s.conn.Close()
	}
}

// Close ends the session with QUIT and closes the connection.
func (s *Session) Close() {
	if s.broken {
		return
	}
	unlimit := s.limit(s.server.CommandTimeout)
	defer unlimit()
	_ = s.client.Quit() // every mail has its reply already, so a failure changes nothing
	s.conn.Close()
}

// limit limits what follows to the duration d and to the lifetime of the context. The
// function that it returns removes the connection from the context.
func (s *Session) limit(d time.Duration) (unlimit func()) {
	_ = s.conn.SetDeadline(time.Now().Add(d)) // fails only on a closed connection, and then the next use fails too
	stop := context.AfterFunc(s.ctx, func() { s.conn.Close() })
	return func() { stop() }
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
