package inbox

import (
	"context"
	"errors"
	"fmt"

	"troupe/patterns/event"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// ParkedEvent is an event that could not be handled. In state "retry" it waits for
// its next attempt; in state "dead" it is a dead letter and waits for a replay.
type ParkedEvent struct {
	EventID     string         `json:"event_id"`
	Type        string         `json:"type"`
	State       string         `json:"state" enum:"retry,dead"`
	Attempts    int            `json:"attempts"`
	LastError   string         `json:"last_error"`
	FirstFailed timestamp.Time `json:"first_failed"`
	NextTry     timestamp.Time `json:"next_try,omitzero"`
	Replays     int            `json:"replays" doc:"How often an operator has had it handled again"`
	Group       string         `json:"group" doc:"The id of the group of those that failed for the same cause"`
	Cause       string         `json:"cause" doc:"The error without what differs from event to event"`
	// CorrelationID is what the event is about, if its body can be read.
	CorrelationID string `json:"correlation_id,omitempty" doc:"What the event is about: the order"`
	Body          string `json:"body,omitempty" doc:"The event as it was received"`
}

// ParkedEvents returns the parked events, oldest first, without their bodies; state
// may be "retry", "dead" or "" for both.
func (i *Inbox) ParkedEvents(ctx context.Context, state string, limit int) ([]ParkedEvent, error) {
	events, err := sqldb.All(ctx, i.db, scanParkedEvent,
		"SELECT "+parkedColumns+`body FROM parked
		WHERE consumer = $1 AND (state = $2 OR $2 = '') ORDER BY first_failed, event_id LIMIT $3`,
		i.service, state, limit)
	if err != nil {
		return nil, fmt.Errorf("list parked events: %w", err)
	}
	for n := range events {
		events[n].Body = ""
	}
	return append([]ParkedEvent{}, events...), nil // never null in JSON
}

// ParkedEvent returns one parked event with its body. It fails with fault.NotFound.
func (i *Inbox) ParkedEvent(ctx context.Context, eventID string) (ParkedEvent, error) {
	parked, err := scanParkedEvent(i.db.QueryRow(ctx,
		"SELECT "+parkedColumns+`body FROM parked
		WHERE event_id = $1 AND consumer = $2`, cleanText(eventID), i.service))
	if errors.Is(err, sqldb.ErrNoRows) {
		return ParkedEvent{}, notParked(eventID)
	}
	if err != nil {
		return ParkedEvent{}, fmt.Errorf("read parked event %s: %w", eventID, err)
	}
	return parked, nil
}

// parkedColumns are those that scanParkedEvent reads before the body.
const parkedColumns = "event_id, type, state, attempts, last_error, first_failed, next_try, replays, "

func scanParkedEvent(r sqldb.Row) (p ParkedEvent, err error) {
	var first, next int64
	var body []byte
	err = r.Scan(&p.EventID, &p.Type, &p.State, &p.Attempts, &p.LastError, &first, &next, &p.Replays, &body)
	p.FirstFailed, p.Body = timestamp.Of(sqldb.Time(first)), string(body)
	p.Cause = Cause(p.LastError)
	p.Group = groupID(p.Type, p.State, p.Cause)
	if e, unreadable := event.Decode(body); unreadable == nil {
		p.CorrelationID = e.CorrelationID
	}
	if p.State == stateRetry {
		p.NextTry = timestamp.Of(sqldb.Time(next))
	}
	return p, err
}

// Replay makes a parked event due now and resets its number of attempts. The
// event reaches only this service. Replay fails with fault.NotFound.
func (i *Inbox) Replay(ctx context.Context, q sqldb.Querier, eventID string) error {
	n, err := q.Exec(ctx, "UPDATE parked SET state = 'retry', attempts = 0, next_try = $1, replays = replays + 1 WHERE event_id = $2 AND consumer = $3",
		sqldb.Micros(i.now()), cleanText(eventID), i.service)
	if err != nil {
		return fmt.Errorf("replay event %s: %w", eventID, err)
	}
	if n == 0 {
		return notParked(eventID)
	}
	return nil
}

func notParked(eventID string) error {
	return fault.Missing("parked event", eventID, "it may have been handled by now; GET /dead-letters lists the events that are parked")
}
