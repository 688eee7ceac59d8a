package outbox

import (
	"context"
	"fmt"
	"slices"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

// AddEnvelope publishes an event of another source if and when tx commits. Its id must be
// new. It fails if the event is larger than a bus accepts.
func (o *Outbox) AddEnvelope(ctx context.Context, tx sqldb.Tx, e event.Envelope) error {
	if err := o.requireType(e.Type); err != nil {
		return err
	}
	body, err := event.Encode(e)
	if err != nil {
		return err
	}
	if len(body) > event.MaxSize {
		return fault.New(fault.TooLarge, "event_too_large", "the event has %d bytes as it is published, at most %d are allowed; leave out what its schema does not name", len(body), event.MaxSize)
	}
	if o.keeps(e) {
		o.record(tx, []event.Envelope{e})
	}
	return o.insert(ctx, tx, []bus.Message{{ID: e.ID, Type: e.Type, Body: body}})
}

// log stores what the bus has confirmed for consumers outside, in the transaction that
// deletes it from the outbox, without what is for one of the services alone. The lock of the end of the log, which a relay takes last,
// makes positions visible in their order.
func (o *Outbox) log(ctx context.Context, tx sqldb.Tx, confirmed []bus.Message) error {
	if !o.logs {
		return nil
	}
	confirmed = slices.DeleteFunc(slices.Clone(confirmed), func(m bus.Message) bool { return event.Recipient(m.Body) != "" })
	if len(confirmed) == 0 {
		return nil
	}
	var last int64
	err := tx.QueryRow(ctx, "UPDATE event_log_end SET last_position = last_position + $1 WHERE id = 1 RETURNING last_position",
		len(confirmed)).Scan(&last)
	if err != nil {
		return fmt.Errorf("advance the log of events: %w", err)
	}
	now := sqldb.Micros(o.now())
	rows := make([][]any, len(confirmed))
	for i, m := range confirmed {
		rows[i] = []any{last - int64(len(confirmed)-1-i), m.Type, string(m.Body), now}
	}
	return sqldb.InsertRows(ctx, tx, "INSERT INTO event_log (position, type, body, logged_at)", rows, "", nil)
}
