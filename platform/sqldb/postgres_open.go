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
// such as a wrong password.
func openPostgres(ctx context.Context, url string, o Options) (DB, error) {
	c, err := parsePostgres(url, o.MaxConns)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := waitForServer(ctx, pool, cmp.Or(o.Log, slog.Default())); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgresDB{pool: pool}, nil
}

// waitForServer returns nil once the server answers and is new enough.
func waitForServer(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	server := pool.Config().ConnConfig
	log = log.With("host", server.Host, "port", server.Port, "database", server.Database)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, maxConnectDelay) {
		err := checkServer(ctx, pool)
		if err == nil || !isTemporary(err) {
			return openError(err, server.User, server.Database)
		}
		log.WarnContext(ctx, "PostgreSQL does not answer yet; trying again", "in", wait.String(), "error", err)
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL at %s:%d did not answer: %w", server.Host, server.Port, err)
		}
	}
}

// checkServer connects and checks the server's version.
func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var number int
	err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number)
	if err != nil {
		return err
	}
	return checkVersion(number)
}

// tooOldError is the version of a server that is too old, as the server reports it:
// 130011 is 13.11.
type tooOldError int

func (v tooOldError) Error() string {
	return fmt.Sprintf("PostgreSQL %d is too old: use version %d or newer", v/10000, minPostgres)
}

// checkVersion returns an error if the server is older than minPostgres.
func checkVersion(version int) error {
	if version/10000 < minPostgres {
		return tooOldError(version)
	}
	return nil
}

// isTemporary reports whether err may pass by itself: no server answers, or it is
// starting, stopping or out of connections. Any other refusal is final.
func isTemporary(err error) bool {
	if _, ok := errors.AsType[tooOldError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{pgStarting, pgStopping, pgCrashed, pgTooManyConnections}, e.Code)
	}
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !distrusted && !strings.Contains(err.Error(), refusedTLS)
}

// openError returns err with what to do about it; nil stays nil.
func openError(err error, user, database string) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil:
		return nil
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
