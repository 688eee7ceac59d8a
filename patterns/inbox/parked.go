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
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

const (
	stateRetry = "retry"
	stateDead  = "dead"

	maxAttempts  = 12 // then an event is dead, after about half an hour
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
	dueBatch     = 64
	maxError     = 2000 // bytes kept of an error
)

// failure is an event that could not be handled.
type failure struct {
	heard
	attempts int // tries that have ended or were cut short
	err      error
}

// state says what becomes of the event.
func (f failure) state() string {
	switch {
	case f.neverGivenUp():
		return stateRetry
	case isPermanent(f.err), f.attempts >= maxAttempts:
		return stateDead
	}
	return stateRetry
}

func (f failure) neverGivenUp() bool { return f.reaction != nil && f.reaction.neverGiveUp }

// orUnread gives something to park for a body that is no event: its message's
// id if that can be a key, else a fingerprint, so that it is parked only once.
func (h heard) orUnread(d bus.Delivery) heard {
	h.body = d.Body
	if h.ID != "" {
		return h
	}
	h.ID, h.Type = d.ID, clean(d.Type)
	if h.ID == "" || len(h.ID) > 255 || clean(h.ID) != h.ID {
		sum := sha256.Sum256(d.Body)
		h.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return h
}

// clean makes any bytes a text that every database takes.
func clean(s string) string {
	if len(s) > maxError {
		s = s[:maxError]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
}

// park puts an event aside unless it has been handled or parked before.
func (i *Inbox) park(ctx context.Context, f failure) error {
	now, state := i.now(), f.state()
	var parked bool
	err := i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		fresh, err := i.record(ctx, tx, []heard{f.heard})
		if parked = len(fresh) > 0; err != nil || !parked {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO parked
			(event_id, consumer, type, body, state, attempts, last_error, first_failed, next_try)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			f.ID, i.service, f.Type, f.body, state, f.attempts, clean(f.err.Error()),
			sqldb.Micros(now), sqldb.Micros(now.Add(i.backoff(f.attempts))))
		return err
	})
	if err != nil {
		return fmt.Errorf("park event %s: %w", f.ID, err)
	}
	if parked {
		i.report(f, state)
	}
	return nil
}

func (i *Inbox) report(f failure, state string) {
	log := i.log.With("event_id", f.ID, "type", f.Type, "attempts", f.attempts, "error", f.err)
	if state == stateDead {
		i.metrics.died.Inc()
		log.Error("event is dead until it is replayed")
		return
	}
	i.metrics.failed.Inc()
	log.Warn("event failed and will be tried again")
}

// backoff is the wait after so many tries: 1 s, doubling to 5 min, of which half
// is left to chance.
func (i *Inbox) backoff(attempts int) time.Duration {
	d := min(firstBackoff<<min(max(attempts-1, 0), 16), maxBackoff)
	return d/2 + time.Duration(i.jitter()*float64(d/2))
}

// RetryWorker is Step as a worker.
func (i *Inbox) RetryWorker() worker.Worker {
	return worker.Worker{Name: "inbox retries", Step: i.Step, Interval: time.Second}
}

// Step tries parked events that are due and says how many it tried.
func (i *Inbox) Step(ctx context.Context) (int, error) {
	due, err := sqldb.All(ctx, i.db, scanDue, `SELECT event_id, type, body, attempts FROM parked
		WHERE consumer = $1 AND state = 'retry' AND next_try <= $2 ORDER BY next_try LIMIT $3`,
		i.service, sqldb.Micros(i.now()), dueBatch)
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

// retry counts the try before it begins, in a transaction of its own: a try
// that kills the process has been counted, and another replica that saw the
// same row finds the count changed and leaves it alone.
func (i *Inbox) retry(ctx context.Context, f failure) error {
	h, unreadable := i.read(f.body)
	h.ID, h.Type, h.body = f.ID, f.Type, f.body
	f.heard = h
	if f.attempts >= maxAttempts && !f.neverGivenUp() {
		f.err = errors.New("the process ended in the middle of the last try")
		return i.failAgain(ctx, f)
	}
	claimed, err := i.claim(ctx, &f)
	if err != nil || !claimed {
		return err
	}
	if f.err = unreadable; f.err == nil {
		f.err = i.try(ctx, f)
	}
	if f.err == nil || errors.Is(f.err, errTaken) {
		return nil
	}
	return i.failAgain(ctx, f)
}

// claim counts a try and sets the time of the next one, should this fail.
func (i *Inbox) claim(ctx context.Context, f *failure) (bool, error) {
	next := sqldb.Micros(i.now().Add(i.backoff(f.attempts + 1)))
	n, err := i.db.Exec(ctx, `UPDATE parked SET attempts = attempts + 1, next_try = $1
		WHERE event_id = $2 AND consumer = $3 AND state = 'retry' AND attempts = $4 AND next_try <= $5`,
		next, f.ID, i.service, f.attempts, sqldb.Micros(i.now()))
	f.attempts++
	return n == 1, err
}

// errTaken: another replica has handled it meanwhile.
var errTaken = errors.New("the parked event is gone")

// try has the event take effect and takes it out of the parked ones. Whoever
// deletes the row is the one whose effect counts.
func (i *Inbox) try(ctx context.Context, f failure) (err error) {
	if f.reaction == nil {
		return Permanent(fmt.Errorf("%s has no reaction to %s", i.service, f.Type))
	}
	end := i.trace(ctx, []heard{f.heard})
	defer func() { end(err) }()
	err = i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM parked WHERE event_id = $1 AND consumer = $2", f.ID, i.service)
		if err == nil && n == 0 {
			err = errTaken
		}
		if err != nil {
			return err
		}
		return i.react(ctx, tx, []heard{f.heard})
	})
	if err == nil {
		i.metrics.handled([]heard{f.heard}, i.now())
	}
	return err
}

func (i *Inbox) failAgain(ctx context.Context, f failure) error {
	state := f.state()
	n, err := i.db.Exec(ctx, `UPDATE parked SET state = $1, last_error = $2
		WHERE event_id = $3 AND consumer = $4 AND attempts = $5`,
		state, clean(f.err.Error()), f.ID, i.service, f.attempts)
	if err == nil && n == 1 {
		i.report(f, state)
	}
	return err
}
