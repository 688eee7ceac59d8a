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

// queue is one service's.
type queue struct {
	db     sqldb.DB
	filled worker.Notifier // rung when something was put in

	mu sync.Mutex // one batch is in flight at a time
	// unsure is set when what lies at the head may have been handed out before:
	// after a start, which may follow a crash, and after a failure.
	unsure bool
	failed bool // the handler has not succeeded since
}

// put inserts the messages at these indices of the batch.
func (q *queue) put(ctx context.Context, batch []bus.Message, indices []int) error {
	rows := make([][]any, len(indices))
	for n, i := range indices {
		rows[n] = []any{batch[i].ID, batch[i].Type, batch[i].Body}
	}
	return q.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		tx.OnCommit(q.filled.Notify)
		return sqldb.InsertRows(ctx, tx, "INSERT INTO queue (event_id, type, body)", rows, "ON CONFLICT DO NOTHING", nil)
	})
}

// step takes a batch, hands it to h and deletes it once h has committed.
func (q *queue) step(ctx context.Context, h bus.BatchHandler) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, err := q.head(ctx)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	if q.failed {
		if err := h(ctx, nil); err != nil {
			return 0, err
		}
	}
	ids := make([]any, len(batch))
	for i, d := range batch {
		ids[i] = d.ID
	}
	if err := q.handOut(ctx, batch, ids, h); err != nil {
		return 0, err
	}
	q.failed = false
	if err := q.remove(ctx, ids); err != nil {
		return 0, err
	}
	q.unsure = false
	return len(batch), nil
}

// handOut calls h and counts the attempt if it may not be the last.
//
// Attempts must outlive a crash, or an event that kills the process would be
// handed out for ever, but counting every batch before it is handed out would
// cost as much as the delivery. Batches are taken in order, so one that was cut
// short is at the head again after the next start: the first batch of a process,
// and the first after a failure, is counted before it is handed out; any other
// only if it fails. The one thing missed is a crash's first time.
func (q *queue) handOut(ctx context.Context, batch []bus.Delivery, ids []any, h bus.BatchHandler) error {
	counted := q.unsure
	if counted {
		if err := q.count(ctx, ids); err != nil {
			return err
		}
	}
	q.unsure, q.failed = true, true
	localTaken.Hit()
	err := h(ctx, batch)
	localHandled.Hit()
	if err != nil && !counted {
		return errors.Join(err, q.count(ctx, ids))
	}
	return err
}

// head is the oldest batch.
func (q *queue) head(ctx context.Context) ([]bus.Delivery, error) {
	batch, err := sqldb.All(ctx, q.db, scanDelivery,
		"SELECT event_id, type, body, attempts FROM queue ORDER BY event_id LIMIT $1", takeBatch)
	if err != nil {
		return nil, fmt.Errorf("take from the queue: %w", err)
	}
	return batch, nil
}

func scanDelivery(r sqldb.Row) (d bus.Delivery, err error) {
	err = r.Scan(&d.ID, &d.Type, &d.Body, &d.Attempt)
	return d, err
}

func (q *queue) count(ctx context.Context, ids []any) error {
	err := q.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := sqldb.In(ctx, tx, "UPDATE queue SET attempts = attempts + 1 WHERE event_id", nil, ids, "", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("count the attempts of %d messages: %w", len(ids), err)
	}
	return nil
}

// remove acknowledges. A power loss that undoes it brings the messages back,
// which the handler must expect anyway.
func (q *queue) remove(ctx context.Context, ids []any) error {
	err := q.db.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := sqldb.In(ctx, tx, "DELETE FROM queue WHERE event_id", nil, ids, "", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("take %d messages off the queue: %w", len(ids), err)
	}
	return nil
}
