package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// Server describes the SMTP server to which mails are submitted, and how to reach it.
type Server struct {
	Host      string
	Port      string
	Implicit  bool // TLS from the first byte (smtps); otherwise STARTTLS if offered
	User      string
	Password  string
	LocalName string // the name that EHLO announces

	// CommandTimeout is the limit for connecting and logging in, and for each mail up
	// to the final dot. DotTimeout is the limit for the reply to the final dot.
	CommandTimeout time.Duration
	DotTimeout     time.Duration
	TLS            *tls.Config // nil means the system's roots
}

// ParseURL returns the server of a URL such as smtp://user:password@host:587 or
// smtps://host. The user, the password and the port are optional. Its errors name
// the setting and never contain the password.
func ParseURL(raw string) (*Server, error) {
	const want = "it must look like smtp://user:password@mail.example.com:587 or smtps://mail.example.com"
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("NOTIFICATIONS_SMTP_URL cannot be parsed: " + want)
	}
	ports := map[string]string{"smtp": "587", "smtps": "465"}
	port, known := ports[u.Scheme]
	if !known || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("NOTIFICATIONS_SMTP_URL is %q: %s", u.Redacted(), want)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	password, _ := u.User.Password()
	return &Server{
		Host: u.Hostname(), Port: port, Implicit: u.Scheme == "smtps",
		User: u.User.Username(), Password: password, LocalName: "localhost",
		CommandTimeout: 30 * time.Second, DotTimeout: 5 * time.Minute,
	}, nil
}

// Open connects and logs in. When ctx ends the connection is closed, except while
// the reply to a final dot is awaited.
func (s *Server) Open(ctx context.Context) (*Session, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.address(), err)
	}
	session := &Session{server: s, ctx: ctx, conn: conn}
	unlimit := session.limit(s.CommandTimeout)
	defer unlimit()
	if session.client, err = smtp.NewClient(conn, s.Host); err != nil {
		return nil, fmt.Errorf("greeting of %s: %w", s.address(), err)
	}
	if err := s.handshake(session.client); err != nil {
		conn.Close()
		return nil, fmt.Errorf("handshake with %s: %w", s.address(), err)
	}
	return session, nil
}

func (s *Server) address() string { return net.JoinHostPort(s.Host, s.Port) }

func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: s.CommandTimeout}
	if !s.Implicit {
		return dialer.DialContext(ctx, "tcp", s.address())
	}
	return (&tls.Dialer{NetDialer: dialer, Config: s.tlsConfig()}).DialContext(ctx, "tcp", s.address())
}

func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		config = s.TLS.Clone()
	}
	config.ServerName = s.Host
	return config
}

// handshake sends EHLO, starts TLS if the server offers it, and logs in if there is a
// user.
func (s *Server) handshake(c *smtp.Client) error {
	if err := c.Hello(s.LocalName); err != nil {
		return err
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !s.Implicit {
		if err := c.StartTLS(s.tlsConfig()); err != nil {
			return fmt.Errorf("start TLS: %w", err)
		}
	}
	if s.User == "" {
		return nil
	}
	if err := s.login(c); err != nil {
		return fmt.Errorf("log in as %s: %w", s.User, err)
	}
	return nil
}

// login logs in with PLAIN or LOGIN. It does not send a password over an unencrypted
// connection, except to localhost.
func (s *Server) login(c *smtp.Client) error {
	_, offered := c.Extension("AUTH")
	mechanisms := strings.Fields(offered)
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		return c.Auth(smtp.PlainAuth("", s.User, s.Password, s.Host, false))
	case slices.Contains(mechanisms, "LOGIN"):
		return c.Auth(smtp.LoginAuth(s.User, s.Password, s.Host, false))
	}
	return fmt.Errorf("the server offers %v, but neither PLAIN nor LOGIN", mechanisms)
}
