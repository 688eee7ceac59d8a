package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
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
	Encrypted bool // refuse a server that does not offer STARTTLS
	User      string
	Password  string
	LocalName string // the name that EHLO announces
	// Sign returns a mail with its signatures; nil: mails are not signed.
	Sign func(encoded []byte) ([]byte, error)

	// CommandTimeout is the limit for connecting and logging in, and for each mail up
	// to the final dot. DotTimeout is the limit for the reply to the final dot, and DotGrace
	// what is left of it when the context has ended: a stop does not wait for a silent server.
	CommandTimeout time.Duration
	DotTimeout     time.Duration
	DotGrace       time.Duration
	TLS            *tls.Config // nil means the system's roots
}

// ParseURLs returns the servers of several URLs, separated by blanks; see ParseURL.
func ParseURLs(raw string, production bool) ([]*Server, error) {
	var servers []*Server
	for each := range strings.FieldsSeq(raw) {
		s, err := ParseURL(each, production)
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// ParseURL returns the server of a URL such as smtp+starttls://user:password@host:587 or
// smtps://host. The user, the password and the port are optional. Its errors name the
// setting and never contain the password.
//
//	smtps           TLS from the first byte (RFC 8314)
//	smtp+starttls   STARTTLS (RFC 3207); without it nothing is sent
//	smtp            STARTTLS as well in production, otherwise only if it is offered
//	smtp+plain      STARTTLS only if it is offered, in production too
//
// An attacker between here and the server can remove the offer, so that a mail is sent
// in the clear if STARTTLS is not required.
func ParseURL(raw string, production bool) (*Server, error) {
	const want = "it must look like smtp+starttls://user:password@mail.example.com:587 or smtps://mail.example.com"
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("NOTIFICATIONS_SMTP_URL cannot be parsed: " + want)
	}
	ports := map[string]string{"smtp": "587", "smtp+starttls": "587", "smtp+plain": "587", "smtps": "465"}
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
		Encrypted: u.Scheme == "smtp+starttls" || u.Scheme == "smtp" && production,
		User:      u.User.Username(), Password: password, LocalName: "localhost",
		CommandTimeout: 30 * time.Second, DotTimeout: 5 * time.Minute, DotGrace: 5 * time.Second,
	}, nil
}

// Open connects and logs in. When ctx ends the connection is closed; a reply to a final
// dot that is awaited then has DotGrace to come.
func (s *Server) Open(ctx context.Context) (*Session, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.Address(), err)
	}
	session := &Session{server: s, ctx: ctx, conn: conn}
	unlimit := session.limit(s.CommandTimeout)
	defer unlimit()
	if session.client, err = smtp.NewClient(conn, s.Host); err != nil {
		return nil, fmt.Errorf("greeting of %s: %w", s.Address(), err)
	}
	if err := s.handshake(session.client); err != nil {
		conn.Close()
		return nil, fmt.Errorf("handshake with %s: %w", s.Address(), err)
	}
	return session, nil
}

// Address returns the host and the port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, s.Port) }

func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: s.CommandTimeout}
	if !s.Implicit {
		return dialer.DialContext(ctx, "tcp", s.Address())
	}
	return (&tls.Dialer{NetDialer: dialer, Config: s.tlsConfig()}).DialContext(ctx, "tcp", s.Address())
}

func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		config = s.TLS.Clone()
	}
	config.ServerName = s.Host
	return config
}

// handshake sends EHLO, starts TLS, and logs in if there is a user.
func (s *Server) handshake(c *smtp.Client) error {
	if err := c.Hello(s.LocalName); err != nil {
		return err
	}
	if err := s.startTLS(c); err != nil {
		return err
	}
	if s.User == "" {
		return nil
	}
	if err := s.login(c); err != nil {
		return fmt.Errorf("log in as %s: %w", s.User, err)
	}
	return nil
}

var errNoSTARTTLS = errors.New("the server does not offer STARTTLS, so nothing is sent: use smtps:// if it takes TLS from the first byte, " +
	"or smtp+plain:// if everybody on the way may read the mails")

func (s *Server) startTLS(c *smtp.Client) error {
	if s.Implicit {
		return nil
	}
	offered, _ := c.Extension("STARTTLS")
	switch {
	case !offered && s.Encrypted:
		return errNoSTARTTLS
	case !offered:
		return nil
	}
	if err := c.StartTLS(s.tlsConfig()); err != nil {
		return fmt.Errorf("start TLS: %w", err)
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

var heloName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^\[[0-9A-Fa-f.:]+\]$`)

// IsHELO reports whether EHLO may announce a name: one with a domain, or an address in
// brackets.
func IsHELO(name string) bool { return len(name) <= 253 && heloName.MatchString(name) }
