package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// queue is the queue table of one service. The package documentation describes how
// it counts attempts.
type queue struct {
	db       sqldb.DB
	notifier worker.Notifier // wakes the consumer after an insert

	mu sync.Mutex // one batch is in flight at a time
	// maybeRedelivered is set while the oldest batch may have been delivered before:
	// after a start, which may follow a crash, and after a failure.
	maybeRedelivered bool
	lastFailed       bool // the handler failed and has not succeeded since
}

// insert puts the messages at these indices of the batch into the queue. It ignores
// those that the queue holds already.
func (q *queue) insert(ctx context.Context, batch []bus.Message, indices []int) error {
	rows := make([][]any, len(indices))
	for n, i := range indices {
		rows[n] = []any{batch[i].ID, batch[i].Type, batch[i].Body}
	}
	return q.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		tx.OnCommit(q.notifier.Notify)
		return sqldb.InsertRows(ctx, tx, "INSERT INTO queue (event_id, type, body)", rows, "ON CONFLICT DO NOTHING", nil)
	})
}

// step reads the oldest batch, delivers it to h and deletes it once h has committed.
func (q *queue) step(ctx context.Context, h bus.BatchHandler) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, err := q.oldest(ctx)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	if q.lastFailed {
		if err := h(ctx, nil); err != nil {
			return 0, err
		}
	}
	ids := make([]any, len(batch))
	for i, d := range batch {
		ids[i] = d.ID
	}
	if err := q.deliver(ctx, batch, ids, h); err != nil {
		return 0, err
	}
	q.lastFailed = false
	if err := q.delete(ctx, ids); err != nil {
		return 0, err
	}
	q.maybeRedelivered = false
	return len(batch), nil
}

// deliver calls h and counts the attempt if another one may follow: before the call
// if the batch may have been delivered before, otherwise only if h fails.
func (q *queue) deliver(ctx context.Context, batch []bus.Delivery, ids []any, h bus.BatchHandler) error {
	counted := q.maybeRedelivered
	if counted {
		if err := q.countAttempt(ctx, ids); err != nil {
			return err
		}
	}
	q.maybeRedelivered, q.lastFailed = true, true // until the batch is acknowledged
	localTaken.Hit()
	err := h(ctx, batch)
	localHandled.Hit()
	if err != nil && !counted {
		return errors.Join(err, q.countAttempt(ctx, ids))
	}
	return err
}

// oldest returns the oldest batch, or an empty one if there is nothing in the queue.
func (q *queue) oldest(ctx context.Context) ([]bus.Delivery, error) {
	batch, err := sqldb.All(ctx, q.db, scanDelivery,
		"SELECT event_id, type, body, attempts FROM queue ORDER BY event_id LIMIT $1", batchSize)
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	return batch, nil
}

// length returns how many messages are in the queue, at most mostCounted.
func (q *queue) length(ctx context.Context) (n int, err error) {
	err = q.db.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM queue LIMIT $1) AS waiting", mostCounted).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the messages of the queue: %w", err)
	}
	return n, nil
}

func scanDelivery(r sqldb.Row) (d bus.Delivery, err error) {
	err = r.Scan(&d.ID, &d.Type, &d.Body, &d.Attempt)
	return d, err
}

func (q *queue) countAttempt(ctx context.Context, ids []any) error {
	err := q.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := sqldb.In(ctx, tx, "UPDATE queue SET attempts = attempts + 1 WHERE event_id", nil, ids, "", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("count the attempt of %d messages: %w", len(ids), err)
	}
	return nil
}

// delete acknowledges a batch. A power loss may undo it and bring the messages back,
// which the handler must expect anyway.
func (q *queue) delete(ctx context.Context, ids []any) error {
	err := q.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := sqldb.In(ctx, tx, "DELETE FROM queue WHERE event_id", nil, ids, "", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %d messages from the queue: %w", len(ids), err)
	}
	return nil
}
