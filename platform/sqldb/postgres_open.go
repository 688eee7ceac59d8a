package sqldb

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	minPostgres     = 14                              // the oldest version that works
	maxConnectDelay = 5 * time.Second                 // between two attempts to connect
	connectTimeout  = 10 * time.Second                // of one attempt
	refusedTLS      = "server refused TLS connection" // pgconn has no name for this error
)

// openPostgres connects to the server. It waits for a server that does not answer until
// ctx ends, and logs that it waits. It does not wait for what only a person can correct,
// such as a wrong password or settings in which the services would not work.
func openPostgres(ctx context.Context, url string, o Options) (DB, error) {
	c, err := parsePostgres(url, o.MaxConns)
	if err != nil {
		return nil, err
	}
	if err := waitForServer(ctx, c, cmp.Or(o.Log, slog.Default())); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	return &postgresDB{pool: pool}, nil
}

// waitForServer returns nil once the server answers, is new enough and takes writes. It
// adapts c to the server.
func waitForServer(ctx context.Context, c *pgxpool.Config, log *slog.Logger) error {
	server := c.ConnConfig
	log = log.With("host", server.Host, "port", server.Port, "database", server.Database)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, maxConnectDelay) {
		err := adapt(ctx, c)
		if err == nil || !isTemporary(err) {
			return openError(err, server.User, server.Database)
		}
		log.WarnContext(ctx, "PostgreSQL is not ready yet; trying again", "in", wait.String(), "error", err)
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL at %s:%d did not answer: %w", server.Host, server.Port, err)
		}
	}
}

// adapt connects and checks the server, and sets how all sessions are configured. What
// seems to be a pooler is asked a second time, as one.
func adapt(ctx context.Context, c *pgxpool.Config) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config := sessionConfig(c.ConnConfig, false)
	s, err := inspect(ctx, config)
	if err == nil && s.pooled || isParameterRefused(err) {
		config = sessionConfig(c.ConnConfig, true)
		s, err = inspect(ctx, config)
	}
	if err != nil {
		return err
	}
	if err := checkVersion(s.version); err != nil {
		return err
	}
	if err := s.check(config); err != nil {
		return err
	}
	c.ConnConfig = config
	return nil
}

// isParameterRefused reports whether err is a pooler's answer to a parameter that it does
// not pass on.
func isParameterRefused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == pgProtocol && strings.Contains(e.Message, "unsupported startup parameter")
}

// checkVersion returns an error if the server is older than minPostgres. Its version is
// as the server reports it: 130011 is 13.11.
func checkVersion(version int) error {
	if version/10000 < minPostgres {
		return refusal(fmt.Sprintf("PostgreSQL %d is too old: use version %d or newer", version/10000, minPostgres))
	}
	return nil
}

// isTemporary reports whether err may pass by itself: no server answers, or it is
// starting, stopping, read-only or out of connections. Any other refusal is final.
func isTemporary(err error) bool {
	if _, ok := errors.AsType[refusal](err); ok {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{pgStarting, pgStopping, pgCrashed, pgTooManyConnections}, e.Code) || isFailedPooler(e)
	}
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !distrusted && !strings.Contains(err.Error(), refusedTLS)
}

// openError returns err with what to do about it; nil stays nil.
func openError(err error, user, database string) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	_, refused := errors.AsType[refusal](err)
	switch {
	case err == nil, refused:
		return err
	case isParameterRefused(err):
		return fmt.Errorf("the pooler in front of PostgreSQL does not pass on a parameter of the database URL: remove it there, "+
			"and set it with ALTER ROLE: %w", err)
	case !ok && strings.Contains(err.Error(), refusedTLS):
		return fmt.Errorf("PostgreSQL does not offer TLS: turn it on in the server, or add sslmode=disable to the database URL: %w", err)
	case !ok:
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	switch e.Code {
	case pgWrongPassword, pgNotAuthorized:
		return fmt.Errorf("PostgreSQL refuses user %q: check user and password in the database URL: %w", user, err)
	case pgNoSuchDatabase:
		return fmt.Errorf("PostgreSQL has no database %q: create it with createdb, or correct the database URL: %w", database, err)
	case pgNotAllowed:
		return fmt.Errorf("PostgreSQL does not let user %q connect to database %q: grant it CONNECT on the database: %w", user, database, err)
	}
	return fmt.Errorf("open PostgreSQL: %w", err)
}
