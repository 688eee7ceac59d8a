package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

const (
	relayBatch    = 500
	relayLinger   = 2 * time.Millisecond
	relayInterval = time.Second // how often the relay looks even if its own process wrote nothing
)

// Relay returns the worker that repeats Step. The commit of Add wakes it.
func (o *Outbox) Relay() worker.Worker {
	return worker.Worker{Name: "outbox relay", Step: o.Step, Interval: relayInterval, Wake: o.committed, BatchSize: relayBatch, Linger: relayLinger}
}

// Step publishes one batch and returns how many messages the bus has confirmed.
// Messages that the bus rejects stay in the outbox and wait a little longer after
// each rejection; they hold nothing else up, and Step also returns an error. If the
// bus is unavailable, Step returns an error too, but no event is to blame, and none
// is delayed.
//
// Where several relays can run (PostgreSQL), the rows are locked, so the
// transaction stays open until the bus has confirmed the batch. Where there is one
// writer (SQLite), no lock is needed, and an open transaction would block the
// service, or deadlock with a bus that writes to the same file: there the batch is
// read first, published outside the transaction, and deleted afterwards.
func (o *Outbox) Step(ctx context.Context) (confirmed int, err error) {
	var batch []bus.Message
	var locked bool
	var r result
	err = o.db.TxRelaxed(ctx, func(inside context.Context, tx sqldb.Tx) (err error) {
		locked = tx.SkipLocked() != ""
		if batch, err = o.pending(inside, tx); err != nil || !locked || len(batch) == 0 {
			return err
		}
		r = o.publish(ctx, batch) // with the outer context: the bus may open transactions of its own
		return o.apply(inside, tx, r)
	})
	if err == nil && !locked && len(batch) > 0 {
		r = o.publish(ctx, batch)
		err = o.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error { return o.apply(ctx, tx, r) })
	}
	if err != nil {
		return 0, fmt.Errorf("relay the outbox: %w", err)
	}
	o.metrics.count(r)
	return len(r.confirmed), r.err()
}

// pending returns the next batch, oldest first.
func (o *Outbox) pending(ctx context.Context, tx sqldb.Tx) ([]bus.Message, error) {
	return sqldb.All(ctx, tx, scanMessage,
		"SELECT event_id, type, body FROM outbox WHERE retry_at <= $1 ORDER BY event_id LIMIT $2"+tx.SkipLocked(),
		sqldb.Micros(o.now()), relayBatch)
}

func scanMessage(r sqldb.Row) (m bus.Message, err error) {
	err = r.Scan(&m.ID, &m.Type, &m.Body)
	return m, err
}

// result is the result of publishing a batch: ids to delete and ids to retry later.
type result struct {
	confirmed, rejected []any
	reason              error // of the first rejection
	unavailable         error // why the remaining messages had no bus
}

func (o *Outbox) publish(ctx context.Context, batch []bus.Message) (r result) {
	outboxRead.Hit()
	for i, err := range o.publisher.Publish(ctx, batch) {
		switch {
		case err == nil:
			r.confirmed = append(r.confirmed, batch[i].ID)
		case errors.Is(err, bus.ErrUnavailable):
			r.unavailable = err
		default:
			r.rejected = append(r.rejected, batch[i].ID)
			r.reason = cmp.Or(r.reason, fmt.Errorf("%s %s: %w", batch[i].Type, batch[i].ID, err))
		}
	}
	return r
}

// apply deletes the messages that the bus has confirmed and delays those that it
// has rejected: by 1 s after the first rejection, 2 s after the second, at most 30 s.
func (o *Outbox) apply(ctx context.Context, tx sqldb.Tx, r result) error {
	outboxPublished.Hit()
	if _, err := sqldb.In(ctx, tx, "DELETE FROM outbox WHERE event_id", nil, r.confirmed, "", nil); err != nil {
		return err
	}
	outboxDeleted.Hit()
	if len(r.rejected) == 0 {
		return nil
	}
	_, err := sqldb.In(ctx, tx, `UPDATE outbox SET attempts = attempts + 1, last_error = $1,
		retry_at = CAST($2 AS BIGINT) + CASE WHEN attempts < 29 THEN attempts + 1 ELSE 30 END * 1000000 WHERE event_id`,
		[]any{strings.ToValidUTF8(r.reason.Error(), "?"), sqldb.Micros(o.now())}, r.rejected, "", nil)
	return err
}

// err returns the error of Step for this result.
func (r result) err() error {
	if len(r.rejected) == 0 {
		return r.unavailable
	}
	rejection := fmt.Errorf("the bus rejected %d of %d messages, first %w",
		len(r.rejected), len(r.rejected)+len(r.confirmed), r.reason)
	return errors.Join(rejection, r.unavailable)
}
