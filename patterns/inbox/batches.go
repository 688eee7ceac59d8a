package inbox

import (
	"context"
	"errors"
	"fmt"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
)

// batchOf returns the events of a parked body that is a batch of events, nil if it is none.
// A replica of version 0.1, which reads no batches, parks one as it is.
func batchOf(body []byte) [][]byte {
	if len(body) == 0 || body[0] != '[' {
		return nil
	}
	bodies, err := event.Split(body)
	if err != nil {
		return nil
	}
	return bodies
}

// unpack replaces a parked batch by those of its events that were neither handled nor parked
// before. They are due at once, each by itself.
func (i *Inbox) unpack(ctx context.Context, f failure, bodies [][]byte) error {
	events := make([]failure, 0, len(bodies))
	for _, body := range bodies {
		e, err := i.decode(body, f.Type)
		if err == nil {
			err = errors.New("it was delivered in a batch that this service could not read")
		}
		events = append(events, failure{decoded: e.withKey(bus.Delivery{Message: bus.Message{Type: f.Type, Body: body}}), err: err})
	}
	return i.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM parked WHERE event_id = $1 AND consumer = $2 AND attempts = $3", f.ID, i.service, f.attempts)
		if err != nil || n == 0 { // another replica was faster
			return err
		}
		for _, e := range events {
			if _, err := i.parkIn(ctx, tx, e, stateRetry, i.now()); err != nil {
				return fmt.Errorf("unpack batch %s: %w", f.ID, err)
			}
		}
		return nil
	})
}
