// Package smtptest is an SMTP server for tests. It accepts mails, and fails on demand in
// any phase of the conversation.
package smtptest

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"troupe/services/notifications/internal/delivery"
)

// Fault is a failure of the server in one phase of one conversation.
type Fault struct {
	At       delivery.Phase // Body: in the middle of it; Dot: after all of it
	Code     int            // reply with this code; if 0, see Reply
	Reply    string         // reply with this line, such as "550 5.1.1 no such user"; if empty, see Stall
	Stall    bool           // never reply; if false, close the connection
	Accepted bool           // in the phase Dot: accept the mail before the failure
	Do       func()         // called instead of failing
}

// Greeting is the phase before EHLO, for a Fault: the server has accepted the connection.
const Greeting delivery.Phase = "greeting"

// Mail is a mail that the server accepted.
type Mail struct {
	From, To string
	Data     string
	TLS      bool
	User     string // the user who logged in
}

// Options are the options of Start.
type Options struct {
	TLS      bool   // offer STARTTLS
	Implicit bool   // TLS from the first byte
	Password string // require a login with this password, as any user
	Login    bool   // offer LOGIN instead of PLAIN
	Host     string // where to listen; empty means 127.0.0.1
}

// Server is a running server.
type Server struct {
	Addr  string // host:port
	Roots *x509.CertPool

	options  Options
	ended    chan struct{}
	ctx      context.Context // ends with the test
	reserved sync.Mutex

	mu          sync.Mutex
	faults      []Fault
	mails       []Mail
	connections int
	always      func(phase delivery.Phase, m Mail) (Fault, bool)
}

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{options: o, ended: make(chan struct{}), ctx: t.Context()}
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(o.Host, "127.0.0.1"), "0"))
	require.NoError(t, err)
	s.Addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.AllowInsecureAuth = true
	server.ErrorLog = log.New(io.Discard, "", 0)
	if o.TLS || o.Implicit {
		config := s.certify(t)
		if o.TLS {
			server.TLSConfig = config
		} else {
			listener = tls.NewListener(listener, config)
		}
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(&greeter{listener, s}) }()
	t.Cleanup(func() {
		close(s.ended)
		server.Close()
		<-served
	})
	return s
}

// Reserve resets the server and reserves it for one test until that ends. Other calls of
// Reserve wait.
func (s *Server) Reserve(t testing.TB) {
	s.reserved.Lock()
	t.Cleanup(s.reserved.Unlock)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.mails, s.connections, s.always = nil, nil, 0, nil
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Fail makes the next conversations fail, with one fault after the other.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// FailAlways makes every conversation fail for which fault returns true, until it is called
// again; nil ends it.
func (s *Server) FailAlways(fault func(phase delivery.Phase, m Mail) (Fault, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = fault
}

// Mails returns the mails accepted so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Connections returns how many connections there were.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// certify creates a certificate for 127.0.0.1 that Roots trusts.
func (s *Server) certify(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// greeter is a listener whose connections may end before the greeting.
type greeter struct {
	net.Listener
	server *Server
}

// Accept returns the next connection that is greeted.
func (g *greeter) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		f, ok := g.server.fault(Greeting, Mail{})
		if !ok {
			return conn, nil
		}
		if f.Stall {
			context.AfterFunc(g.server.ctx, func() { conn.Close() })
			continue
		}
		if f.Code != 0 {
			fmt.Fprintf(conn, "%d as scripted\r\n", f.Code)
		}
		conn.Close()
	}
}

// fault returns the fault in phase of a mail. It removes one that was set by Fail.
func (s *Server) fault(phase delivery.Phase, m Mail) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.always != nil {
		if f, ok := s.always(phase, m); ok {
			return f, true
		}
	}
	if len(s.faults) == 0 || s.faults[0].At != phase {
		return Fault{}, false
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f, true
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	session := &session{server: s, conn: c}
	if err := session.failIn(delivery.Connect); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	return session, nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	mail   Mail
	user   string
}

// failIn fails as the next fault requires if it is in phase.
func (s *session) failIn(phase delivery.Phase) error {
	f, ok := s.server.fault(phase, s.mail)
	if !ok {
		return nil
	}
	if f.Do != nil {
		f.Do()
		return nil
	}
	if f.Accepted {
		s.accept()
	}
	if f.Code != 0 {
		return &smtp.SMTPError{Code: f.Code, EnhancedCode: smtp.NoEnhancedCode, Message: "as scripted"}
	}
	if f.Reply != "" {
		return replyError(f.Reply)
	}
	if f.Stall {
		<-s.server.ended
	}
	s.conn.Conn().Close()
	return io.ErrClosedPipe
}

// replyError returns the error that makes the server send a line.
func replyError(line string) error {
	e := &smtp.SMTPError{EnhancedCode: smtp.NoEnhancedCode}
	code, text, _ := strings.Cut(line, " ")
	e.Code, _ = strconv.Atoi(code) // the line is written in a test
	e.Message = text
	return e
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.options.Password != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = Mail{From: from, User: s.user, TLS: encrypted}
	return s.failIn(delivery.Mail)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = to
	return s.failIn(delivery.Rcpt)
}

func (s *session) Data(r io.Reader) error {
	if err := s.failIn(delivery.Body); err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Data = string(data)
	if err := s.failIn(delivery.Dot); err != nil {
		return err
	}
	s.accept()
	return nil
}

func (s *session) accept() {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mails = append(s.server.mails, s.mail)
}

func (s *session) Reset()        { s.mail = Mail{} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	switch {
	case s.server.options.Password == "":
		return nil
	case s.server.options.Login:
		return []string{"LOGIN"}
	}
	return []string{"PLAIN"}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}
	if mechanism == "LOGIN" {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// login is the server's half of AUTH LOGIN.
type login struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}
