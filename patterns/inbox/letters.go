package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

// ParkedEvent is a parked event: waiting for its next try, or dead.
type ParkedEvent struct {
	EventID     string    `json:"event_id"`
	Type        string    `json:"type"`
	State       string    `json:"state" enum:"retry,dead"`
	Attempts    int       `json:"attempts"`
	LastError   string    `json:"last_error"`
	FirstFailed time.Time `json:"first_failed"`
	NextTry     time.Time `json:"next_try,omitzero"`
	Body        string    `json:"body,omitempty" doc:"The event as it was received"`
}

// ParkedEvents lists parked events, oldest first, without bodies; state may be "retry", "dead" or "".
func (i *Inbox) ParkedEvents(ctx context.Context, state string, limit int) ([]ParkedEvent, error) {
	letters, err := sqldb.All(ctx, i.db, scanLetter,
		`SELECT event_id, type, state, attempts, last_error, first_failed, next_try, '' FROM parked
		WHERE consumer = $1 AND (state = $2 OR $2 = '') ORDER BY first_failed, event_id LIMIT $3`,
		i.service, state, limit)
	if err != nil {
		return nil, fmt.Errorf("list parked events: %w", err)
	}
	return append([]ParkedEvent{}, letters...), nil // never null in JSON
}

// ParkedEvent shows one whole. Fails with fault.NotFound.
func (i *Inbox) ParkedEvent(ctx context.Context, eventID string) (ParkedEvent, error) {
	letter, err := scanLetter(i.db.QueryRow(ctx,
		`SELECT event_id, type, state, attempts, last_error, first_failed, next_try, body FROM parked
		WHERE event_id = $1 AND consumer = $2`, clean(eventID), i.service))
	if errors.Is(err, sqldb.ErrNoRows) {
		return ParkedEvent{}, notParked(eventID)
	}
	if err != nil {
		return ParkedEvent{}, fmt.Errorf("read parked event %s: %w", eventID, err)
	}
	return letter, nil
}

func scanLetter(r sqldb.Row) (l ParkedEvent, err error) {
	var first, next int64
	var body []byte
	err = r.Scan(&l.EventID, &l.Type, &l.State, &l.Attempts, &l.LastError, &first, &next, &body)
	l.FirstFailed, l.Body = sqldb.Time(first), string(body)
	if l.State == stateRetry {
		l.NextTry = sqldb.Time(next)
	}
	return l, err
}

// Replay makes a parked event due now, with its tries counted afresh. It
// reaches only this service. Fails with fault.NotFound.
func (i *Inbox) Replay(ctx context.Context, eventID string) error {
	n, err := i.db.Exec(ctx, "UPDATE parked SET state = 'retry', attempts = 0, next_try = $1 WHERE event_id = $2 AND consumer = $3",
		sqldb.Micros(i.now()), clean(eventID), i.service)
	if err != nil {
		return fmt.Errorf("replay event %s: %w", eventID, err)
	}
	if n == 0 {
		return notParked(eventID)
	}
	return nil
}

func notParked(eventID string) error {
	return fault.New(fault.NotFound, "letter_unknown", "No event %s is parked here; it may have been handled by now.", eventID)
}
