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
	oldestPostgres  = 14
	longestWait     = 5 * time.Second                 // between two tries to connect
	noTLS           = "server refused TLS connection" // pgconn has no name for it
	longestGreeting = 10 * time.Second                // of one try
)

// openPostgres waits for the server as long as ctx allows, and says so; it does
// not wait for what only a person can mend.
func openPostgres(ctx context.Context, url string, o Options) (DB, error) {
	c, err := parsePostgres(url, o.MaxConns)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := await(ctx, pool, cmp.Or(o.Log, slog.Default())); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgresDB{pool: pool}, nil
}

// await returns once the server answers and is new enough.
func await(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	server := pool.Config().ConnConfig
	log = log.With("host", server.Host, "port", server.Port, "database", server.Database)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, longestWait) {
		err := greet(ctx, pool)
		if err == nil || !worthWaiting(err) {
			return explain(err, server.User, server.Database)
		}
		log.WarnContext(ctx, "PostgreSQL does not answer yet, will try again", "in", wait.String(), "error", err)
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL at %s:%d did not answer: %w", server.Host, server.Port, err)
		}
	}
}

// greet connects and looks at the server's version.
func greet(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, longestGreeting)
	defer cancel()
	var number int
	err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number)
	if err != nil {
		return err
	}
	return newEnough(number)
}

// tooOldError is the version of a server that is too old, as 90624 for 9.6.24.
type tooOldError int

func (v tooOldError) Error() string {
	return fmt.Sprintf("PostgreSQL %d is too old: use version %d or newer", v/10000, oldestPostgres)
}

func newEnough(version int) error {
	if version/10000 < oldestPostgres {
		return tooOldError(version)
	}
	return nil
}

// worthWaiting says whether err may pass by itself: no server, or one that is
// starting or full. A server that says no will say so again.
func worthWaiting(err error) bool {
	if _, ok := errors.AsType[tooOldError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{pgStarting, pgStopping, pgCrashed, pgTooManyConnections}, e.Code)
	}
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !distrusted && !strings.Contains(err.Error(), noTLS)
}

// explain says what to do about what the server has refused.
func explain(err error, user, database string) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil:
		return nil
	case !ok && strings.Contains(err.Error(), noTLS):
		return fmt.Errorf("PostgreSQL speaks no TLS: turn it on there, or say sslmode=disable in the database URL: %w", err)
	case !ok:
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	switch e.Code {
	case pgWrongPassword, pgNotAuthorized:
		return fmt.Errorf("PostgreSQL refuses user %q: check user and password in the database URL: %w", user, err)
	case pgNoSuchDatabase:
		return fmt.Errorf("PostgreSQL has no database %q: make it with createdb, or correct the database URL: %w", database, err)
	case pgNotAllowed:
		return fmt.Errorf("PostgreSQL does not let user %q into database %q: GRANT CONNECT to it: %w", user, database, err)
	}
	return fmt.Errorf("open PostgreSQL: %w", err)
}
