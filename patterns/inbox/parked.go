package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/journal"
	"troupe/patterns/retry"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

const (
	stateRetry = "retry"
	stateDead  = "dead"

	maxAttempts = 12 // then an event is dead, after 10 to 20 minutes
	retryBatch  = 64
	maxError    = 2000 // bytes of an error that are stored

	// farAhead is further ahead than any retry of a right clock. One that is further was
	// stored while the clock was wrong, and is due: otherwise it would wait for years.
	farAhead = time.Hour
)

// backoff is the wait after a failed attempt: 1 s, doubling to 5 min, of which
// half is random.
var backoff = retry.Backoff{Base: time.Second, Cap: 5 * time.Minute, Jitter: 0.5}

// failure is an event that could not be handled.
type failure struct {
	decoded
	attempts int // including those that a crash cut short
	err      error
	started  time.Time // of the last attempt; the zero time if the handler was not called
	next     time.Time // of the next attempt, if there is one
}

// state returns the state in which the event is parked.
func (f failure) state() string {
	switch {
	case f.neverGiveUp():
		return stateRetry
	case retry.IsPermanent(f.err), f.attempts >= maxAttempts:
		return stateDead
	}
	return stateRetry
}

func (f failure) neverGiveUp() bool { return f.handler != nil && f.handler.neverGiveUp }

// withKey returns e with an id under which it can be parked, even if its body is
// not an event. The id is then that of the message if it can be a key, otherwise a
// fingerprint of the body, so that the same body is parked only once.
func (e decoded) withKey(d bus.Delivery) decoded {
	e.body = d.Body
	if e.ID != "" {
		return e
	}
	e.ID, e.Type = d.ID, cleanText(d.Type)
	if e.ID == "" || len(e.ID) > 255 || cleanText(e.ID) != e.ID {
		sum := sha256.Sum256(d.Body)
		e.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return e
}

// cleanText returns s as text that every database accepts: valid UTF-8 without
// null characters, of at most maxError bytes.
func cleanText(s string) string {
	if len(s) > maxError {
		s = s[:maxError]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
}

// park stores an event for later unless it was handled or parked before.
func (i *Inbox) park(ctx context.Context, f failure) error {
	state := f.state()
	f.next = i.now().Add(backoff.Wait(f.attempts, i.jitter()))
	var parked bool
	err := i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		parked, err = i.parkIn(ctx, tx, f, state, f.next)
		return err
	})
	if err != nil {
		return fmt.Errorf("park event %s: %w", f.ID, err)
	}
	if parked {
		i.report(ctx, f, state)
	} else {
		i.recordAttempt(f.decoded, journal.Duplicate, f.attempts, f.started, i.now(), nil)
	}
	return nil
}

// parkIn stores an event in tx, and reports whether it was neither handled nor parked before.
func (i *Inbox) parkIn(ctx context.Context, tx sqldb.Tx, f failure, state string, next time.Time) (parked bool, err error) {
	fresh, err := i.record(ctx, tx, []decoded{f.decoded})
	if err != nil || len(fresh) == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO parked
		(event_id, consumer, type, body, state, attempts, last_error, first_failed, next_try)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		f.ID, i.service, f.Type, f.body, state, f.attempts, cleanText(f.err.Error()), sqldb.Micros(i.now()), sqldb.Micros(next))
	return err == nil, err
}

// report counts and logs a failure.
func (i *Inbox) report(ctx context.Context, f failure, state string) {
	i.recordFailed(f, state)
	ctx = telemetry.WithTraceparent(ctx, f.Traceparent)
	log := i.log.With("event_id", f.ID, "type", f.Type, "correlation_id", f.CorrelationID, "attempts", f.attempts, "error", f.err)
	if order := journal.OrderOf(f.CorrelationID, f.Data); order != "" {
		log = log.With("order_id", order)
	}
	if state == stateDead {
		i.metrics.dead.Inc()
		log.ErrorContext(ctx, "event is a dead letter: replay it when the cause is fixed")
		return
	}
	i.metrics.failed.Inc()
	log.WarnContext(ctx, "event failed and will be retried")
}

// RetryWorker returns the worker that repeats Step.
func (i *Inbox) RetryWorker() worker.Worker {
	return worker.Worker{Name: "inbox retries", Step: i.Step, Interval: time.Second}
}

// Step retries the parked events that are due and returns how many it tried.
func (i *Inbox) Step(ctx context.Context) (int, error) {
	now := i.now()
	due, err := sqldb.All(ctx, i.db, scanDue, `SELECT event_id, type, body, attempts FROM parked
		WHERE consumer = $1 AND state = 'retry' AND (next_try <= $2 OR next_try > $3) ORDER BY next_try LIMIT $4`,
		i.service, sqldb.Micros(now), sqldb.Micros(now.Add(farAhead)), retryBatch)
	if err != nil {
		return 0, fmt.Errorf("look for parked events: %w", err)
	}
	for n, f := range due {
		if err := i.retry(ctx, f); err != nil {
			return n, fmt.Errorf("retry event %s: %w", f.ID, err)
		}
	}
	return len(due), nil
}

func scanDue(r sqldb.Row) (f failure, err error) {
	err = r.Scan(&f.ID, &f.Type, &f.body, &f.attempts)
	return f, err
}

// retry counts the attempt before it begins, in a transaction of its own. So an
// attempt that kills the process has been counted, and another replica that read
// the same row finds the count changed and leaves the event alone.
func (i *Inbox) retry(ctx context.Context, f failure) error {
	if bodies := batchOf(f.body); bodies != nil {
		return i.unpack(ctx, f, bodies)
	}
	e, unreadable := i.decode(f.body, f.Type)
	e.ID, e.Type, e.body = f.ID, f.Type, f.body
	f.decoded = e
	if f.attempts >= maxAttempts && !f.neverGiveUp() {
		f.err = errors.New("the process ended during the last attempt")
		return i.recordFailure(ctx, f)
	}
	claimed, err := i.claim(ctx, &f)
	if err != nil || !claimed {
		return err
	}
	if f.err = unreadable; f.err == nil {
		f.err = i.try(ctx, f)
	}
	if f.err == nil || errors.Is(f.err, errAlreadyHandled) {
		return nil
	}
	return i.recordFailure(ctx, f)
}

// claim counts an attempt and sets the time of the next one, in case this one
// fails. It reports whether the event was still there, unchanged.
func (i *Inbox) claim(ctx context.Context, f *failure) (bool, error) {
	now := i.now()
	f.started, f.next = now, now.Add(backoff.Wait(f.attempts+1, i.jitter()))
	n, err := i.db.Exec(ctx, `UPDATE parked SET attempts = attempts + 1, next_try = $1
		WHERE event_id = $2 AND consumer = $3 AND state = 'retry' AND attempts = $4 AND (next_try <= $5 OR next_try > $6)`,
		sqldb.Micros(f.next), f.ID, i.service, f.attempts, sqldb.Micros(now), sqldb.Micros(now.Add(farAhead)))
	f.attempts++
	return n == 1, err
}

// errAlreadyHandled is the error of an attempt that another replica has overtaken.
var errAlreadyHandled = errors.New("the parked event has been handled by another replica")

// try handles the event and deletes its row in one transaction. If two replicas
// try at the same time, only one can delete the row, and only its effect commits.
func (i *Inbox) try(ctx context.Context, f failure) (err error) {
	if f.handler == nil {
		return retry.Permanent(fmt.Errorf("%s has no handler for %s", i.service, f.Type))
	}
	ctx, end := i.startSpans(ctx, []decoded{f.decoded}, i.isLate(f))
	defer func() { end(err) }()
	err = i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM parked WHERE event_id = $1 AND consumer = $2", f.ID, i.service)
		if err == nil && n == 0 {
			err = errAlreadyHandled
		}
		if err != nil {
			return err
		}
		return i.callHandlers(ctx, tx, []decoded{f.decoded})
	})
	if err == nil {
		now := i.now()
		i.metrics.countHandled([]decoded{f.decoded}, now)
		i.recordAttempt(f.decoded, journal.OK, f.attempts, f.started, now, nil)
	}
	return err
}

// recordFailure stores the error of a failed attempt and the state it leads to.
func (i *Inbox) recordFailure(ctx context.Context, f failure) error {
	state := f.state()
	n, err := i.db.Exec(ctx, `UPDATE parked SET state = $1, last_error = $2
		WHERE event_id = $3 AND consumer = $4 AND attempts = $5`,
		state, cleanText(f.err.Error()), f.ID, i.service, f.attempts)
	if err == nil && n == 1 {
		i.report(ctx, f, state)
	}
	return err
}
