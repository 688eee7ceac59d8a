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
	relayBatch  = 500
	relayGather = 2 * time.Millisecond
	relayEvery  = time.Second // a relay whose process wrote nothing still looks this often
)

// Relay is Step as a worker, woken by Add's commit.
func (o *Outbox) Relay() worker.Worker {
	return worker.Worker{Name: "outbox relay", Step: o.Step, Interval: relayEvery, Wake: o.committed, BatchSize: relayBatch, Linger: relayGather}
}

// Step relays one batch and says how many messages the bus took. What the bus
// refuses stays, waits a little longer after each refusal, and holds nothing
// else up; it is also reported as an error. While there is no bus, no event is to
// blame, and none is put off.
//
// Where several relays can meet (PostgreSQL), the rows are claimed, so the
// transaction is held open while the bus confirms. Where there is one writer
// (SQLite), nothing needs a claim, and holding the transaction would stop the
// service, or lock up with a bus that writes to the same file: there the batch
// is read first, published outside, and deleted afterwards.
func (o *Outbox) Step(ctx context.Context) (taken int, err error) {
	var batch []bus.Message
	var claimed bool
	var out outcome
	err = o.db.TxRelaxed(ctx, func(inside context.Context, tx sqldb.Tx) (err error) {
		claimed = tx.SkipLocked() != ""
		if batch, err = o.waiting(inside, tx); err != nil || !claimed || len(batch) == 0 {
			return err
		}
		out = o.publish(ctx, batch) // outside: the bus may have transactions of its own
		return o.settle(inside, tx, out)
	})
	if err == nil && !claimed && len(batch) > 0 {
		out = o.publish(ctx, batch)
		err = o.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error { return o.settle(ctx, tx, out) })
	}
	if err != nil {
		return 0, fmt.Errorf("relay the outbox: %w", err)
	}
	o.metrics.count(out)
	return len(out.taken), out.err()
}

// waiting is the next batch, oldest first.
func (o *Outbox) waiting(ctx context.Context, tx sqldb.Tx) ([]bus.Message, error) {
	return sqldb.All(ctx, tx, scanMessage,
		"SELECT event_id, type, body FROM outbox WHERE retry_at <= $1 ORDER BY event_id LIMIT $2"+tx.SkipLocked(),
		sqldb.Micros(o.now()), relayBatch)
}

func scanMessage(r sqldb.Row) (m bus.Message, err error) {
	err = r.Scan(&m.ID, &m.Type, &m.Body)
	return m, err
}

// outcome is what became of a published batch: ids to delete, ids to try later.
type outcome struct {
	taken, refused []any
	reason         error // of the first refusal
	away           error // why there was no bus for the rest
}

func (o *Outbox) publish(ctx context.Context, batch []bus.Message) (out outcome) {
	outboxRead.Hit()
	for i, err := range o.publisher.Publish(ctx, batch) {
		switch {
		case err == nil:
			out.taken = append(out.taken, batch[i].ID)
		case errors.Is(err, bus.ErrUnavailable):
			out.away = err
		default:
			out.refused = append(out.refused, batch[i].ID)
			out.reason = cmp.Or(out.reason, fmt.Errorf("%s %s: %w", batch[i].Type, batch[i].ID, err))
		}
	}
	return out
}

// settle deletes what the bus took and puts off what it refused: 1 s after the
// first refusal, 2 s after the second, at most 30 s.
func (o *Outbox) settle(ctx context.Context, tx sqldb.Tx, out outcome) error {
	outboxPublished.Hit()
	if _, err := sqldb.In(ctx, tx, "DELETE FROM outbox WHERE event_id", nil, out.taken, "", nil); err != nil {
		return err
	}
	outboxDeleted.Hit()
	if len(out.refused) == 0 {
		return nil
	}
	_, err := sqldb.In(ctx, tx, `UPDATE outbox SET attempts = attempts + 1, last_error = $1,
		retry_at = CAST($2 AS BIGINT) + CASE WHEN attempts < 29 THEN attempts + 1 ELSE 30 END * 1000000 WHERE event_id`,
		[]any{strings.ToValidUTF8(out.reason.Error(), "?"), sqldb.Micros(o.now())}, out.refused, "", nil)
	return err
}

func (out outcome) err() error {
	if len(out.refused) == 0 {
		return out.away
	}
	refusal := fmt.Errorf("the bus refused %d of %d messages, first %w",
		len(out.refused), len(out.refused)+len(out.taken), out.reason)
	return errors.Join(refusal, out.away)
}
