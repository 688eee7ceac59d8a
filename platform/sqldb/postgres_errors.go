package sqldb

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"troupe/platform/fault"
)

// The error codes of PostgreSQL (SQLSTATE) that this package distinguishes.
const (
	pgProtocol           = "08P01"
	pgBadText            = "22021"
	pgReadOnly           = "25006"
	pgIdleTransaction    = "25P03"
	pgNotAuthorized      = "28000"
	pgWrongPassword      = "28P01"
	pgDuplicate          = "23505"
	pgNoSuchDatabase     = "3D000"
	pgSerialization      = "40001"
	pgDeadlock           = "40P01"
	pgNotAllowed         = "42501"
	pgDiskFull           = "53100"
	pgOutOfMemory        = "53200"
	pgTooManyConnections = "53300"
	pgLockTimeout        = "55P03"
	pgCanceled           = "57014"
	pgStopping           = "57P01"
	pgCrashed            = "57P02"
	pgStarting           = "57P03"
	pgIdleSession        = "57P05"
	pgIOError            = "58030"
)

// maxAttempts is how often a transaction is run at most.
const maxAttempts = 6

// retry runs f, and runs it again after a short random wait while its error is
// retryable and ctx has not ended.
func retry(ctx context.Context, f func() error) error {
	wait := 2 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || attempt == maxAttempts || !isRetryable(err) {
			return err
		}
		select {
		case <-time.After(rand.N(wait)):
		case <-ctx.Done():
			return err
		}
		wait *= 4
	}
}

// isRetryable reports whether the work behind err is certainly not done and may succeed
// next time: a serialization failure, a deadlock, a row that another transaction has just
// inserted and that the next run finds, or a connection that was lost before the commit.
func isRetryable(err error) bool {
	if _, ok := errors.AsType[uncommittedError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == pgSerialization || e.Code == pgDeadlock || e.Code == pgDuplicate
	}
	return pgconn.SafeToRetry(err)
}

// wrapPostgres is withStatement for errors of PostgreSQL. It turns those that the
// caller should know about into faults.
func wrapPostgres(text string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == pgBadText {
		return errBadText.WithCause(err)
	}
	wrapped := withStatement(text, err)
	if fault.KindOf(wrapped) == fault.Internal && isUnavailable(err) {
		return errUnavailable.WithCause(wrapped)
	}
	return wrapped
}

// isUnavailable reports whether err means that the server cannot be reached, refuses a
// new connection, or takes no statements at the moment: it is starting, stopping, or out
// of connections or memory.
func isUnavailable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // the caller has given up
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return true // whatever the reason is, another password included: it was not so at the start
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case pgTooManyConnections, pgOutOfMemory, pgStopping, pgCrashed, pgStarting, pgIdleSession, pgIdleTransaction:
			return true
		}
		return isFailedPooler(e)
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed)
}

// isFailedPooler reports whether e is the error of a pooler that has lost its server or
// has no session left. Its other errors have this code, too.
func isFailedPooler(e *pgconn.PgError) bool {
	return strings.HasPrefix(e.Code, "08") &&
		!strings.Contains(e.Message, "unsupported startup parameter") && !strings.Contains(e.Message, "no such")
}
