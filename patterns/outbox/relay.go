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
	relayBatch    = 500 // events, about
	relayLinger   = 2 * time.Millisecond
	relayInterval = time.Second // how often the relay looks even if its own process wrote nothing

	fewestRows = relayBatch / maxEvents
	mostRows   = relayBatch
)

// Relay returns the worker that repeats Step. The commit of Add wakes it.
func (o *Outbox) Relay() worker.Worker {
	step := func(ctx context.Context) (int, error) {
		n, full, err := o.relay(ctx)
		if full {
			return relayBatch, err
		}
		return min(n, relayBatch-1), err
	}
	return worker.Worker{Name: "outbox relay", Step: step, Interval: relayInterval, Wake: o.committed, BatchSize: relayBatch, Linger: relayLinger}
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
	confirmed, _, err = o.relay(ctx)
	return confirmed, err
}

// relay is Step; full reports whether the batch had as many rows as it may have.
func (o *Outbox) relay(ctx context.Context) (confirmed int, full bool, err error) {
	var batch []packet
	most := o.rows
	var locked bool
	var r result
	err = o.transact(ctx, func(inside context.Context, tx sqldb.Tx) (err error) {
		locked = tx.SkipLocked() != ""
		if batch, err = o.pending(inside, tx); err != nil || !locked || len(batch) == 0 {
			return err
		}
		r = o.publish(ctx, batch) // with the outer context: the bus may open transactions of its own
		return o.apply(inside, tx, r)
	})
	if err == nil && !locked && len(batch) > 0 {
		r = o.publish(ctx, batch)
		err = o.transact(ctx, func(ctx context.Context, tx sqldb.Tx) error { return o.apply(ctx, tx, r) })
	}
	if err != nil {
		return 0, false, fmt.Errorf("relay the outbox: %w", err)
	}
	o.adapt(batch)
	o.metrics.count(r)
	return r.confirmed, len(batch) == most, r.err()
}

// transact runs a transaction of the relay. A power loss may undo it, which has the events
// published again, unless they are logged: a reader may have seen their positions already.
func (o *Outbox) transact(ctx context.Context, f func(context.Context, sqldb.Tx) error) error {
	if o.logs {
		return o.db.Tx(ctx, f)
	}
	return o.db.TxRelaxed(ctx, f)
}

// pending returns the next batch, oldest first.
func (o *Outbox) pending(ctx context.Context, tx sqldb.Tx) ([]packet, error) {
	return sqldb.All(ctx, tx, scanPacket,
		"SELECT event_id, type, body, created_at, events FROM outbox WHERE retry_at <= $1 OR retry_at = $2 ORDER BY event_id LIMIT $3"+tx.SkipLocked(),
		sqldb.Micros(o.now()), int64(untilSplit), o.rows)
}

// adapt changes how many rows the next batch has, so that it has about as many events as
// a batch should have.
func (o *Outbox) adapt(batch []packet) {
	events := 0
	for _, p := range batch {
		events += len(p.messages)
	}
	switch {
	case events > relayBatch:
		o.rows = max(o.rows/2, fewestRows)
	case len(batch) == o.rows && events <= relayBatch/2:
		o.rows = min(o.rows*2, mostRows)
	}
}

// result is the result of publishing a batch.
type result struct {
	delete    []any // keys of the rows that are done with
	delay     []any // keys of the rows to publish again later
	remainder []remainder
	done      []bus.Message
	confirmed int // messages
	rejected  int
	reason    error // of the first rejection
	// unavailable is why the remaining messages had no bus.
	unavailable error
}

// remainder is an event of a row of which the bus has rejected any, or confirmed others.
// It gets a row of its own.
type remainder struct {
	bus.Message
	createdAt int64
	rejected  bool
}

func (o *Outbox) publish(ctx context.Context, batch []packet) (r result) {
	outboxRead.Hit()
	var all []bus.Message
	for _, p := range batch {
		all = append(all, p.messages...)
	}
	span, began := o.startSpan(ctx, all), o.now()
	errs := o.publisher.Publish(ctx, all)
	endSpan(span, errs)
	o.metrics.messaging.Observe(o.now().Sub(began), len(all), errors.Join(errs...))
	for _, p := range batch {
		r.add(p, errs[:len(p.messages)])
		errs = errs[len(p.messages):]
	}
	return r
}

// add adds a row, whose events the bus has answered with errs.
func (r *result) add(p packet, errs []error) {
	var left []remainder
	rejected := 0
	for i, err := range errs {
		m := p.messages[i]
		switch {
		case err == nil:
			r.confirmed++
			r.done = append(r.done, m)
			continue
		case errors.Is(err, bus.ErrUnavailable):
			r.unavailable = err
			left = append(left, remainder{m, p.createdAt, false})
		default:
			rejected++
			r.reason = cmp.Or(r.reason, fmt.Errorf("%s %s: %w", m.Type, m.ID, err))
			left = append(left, remainder{m, p.createdAt, true})
		}
	}
	r.rejected += rejected
	switch {
	case len(left) == 0:
		r.delete = append(r.delete, p.key)
	case rejected == 1 && len(errs) == 1:
		r.delay = append(r.delay, p.key)
	case len(left) < len(errs) || rejected > 0:
		r.delete = append(r.delete, p.key)
		r.remainder = append(r.remainder, left...)
	} // else all of it is published again
}

// apply deletes the rows that the bus has confirmed and delays those that it has
// rejected: by 1 s after the first rejection, 2 s after the second, at most 30 s. It
// splits a row of several events of which any was rejected, or only some were confirmed.
func (o *Outbox) apply(ctx context.Context, tx sqldb.Tx, r result) error {
	outboxPublished.Hit()
	if _, err := sqldb.In(ctx, tx, "DELETE FROM outbox WHERE event_id", nil, r.delete, "", nil); err != nil {
		return err
	}
	outboxDeleted.Hit()
	reason := ""
	if r.reason != nil {
		reason = strings.ToValidUTF8(r.reason.Error(), "?")
	}
	_, err := sqldb.In(ctx, tx, `UPDATE outbox SET attempts = attempts + 1, last_error = $1,
		retry_at = CAST($2 AS BIGINT) + CASE WHEN attempts < 29 THEN attempts + 1 ELSE 30 END * 1000000 WHERE event_id`,
		[]any{reason, sqldb.Micros(o.now())}, r.delay, "", nil)
	if err != nil {
		return err
	}
	if err := o.split(ctx, tx, r, reason); err != nil {
		return err
	}
	return o.log(ctx, tx, r.done)
}

// split inserts a row for each event that is left of a row.
func (o *Outbox) split(ctx context.Context, tx sqldb.Tx, r result, reason string) error {
	rows := make([][]any, len(r.remainder))
	for i, m := range r.remainder {
		rows[i] = []any{m.ID, m.Type, string(m.Body), m.createdAt, 0, 0, ""}
		if m.rejected {
			rows[i] = []any{m.ID, m.Type, string(m.Body), m.createdAt, 1, sqldb.Micros(o.now().Add(time.Second)), reason}
		}
	}
	return sqldb.InsertRows(ctx, tx, "INSERT INTO outbox (event_id, type, body, created_at, attempts, retry_at, last_error)", rows, "", nil)
}

// err returns the error of Step for this result.
func (r result) err() error {
	if r.rejected == 0 {
		return r.unavailable
	}
	rejection := fmt.Errorf("the bus rejected %d of %d messages, first %w", r.rejected, r.rejected+r.confirmed, r.reason)
	return errors.Join(rejection, r.unavailable)
}
