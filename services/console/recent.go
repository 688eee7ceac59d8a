package console

import (
	"context"
	"slices"
	"sync"

	"troupe/patterns/journal"
	"troupe/platform/sqldb"
	"troupe/services/console/internal/store"
)

// mostRecent is how many records are kept of the orders to which something happened lately.
const mostRecent = 4000

// recentOrders has the records of the orders to which something happened lately. Several
// batches bring the records of an order, and each is read and decoded once, not again with each
// batch. What other replicas have added is read too: it follows the last entry that is known.
type recentOrders struct {
	mu      sync.Mutex
	orders  map[string]recentOrder
	records int // of all orders
}

// recentOrder has all records of an order up to the entry with the number last, without
// lines of the log. It is never changed.
type recentOrder struct {
	records []journal.Record
	last    int64
}

func newRecentOrders() *recentOrders { return &recentOrders{orders: map[string]recentOrder{}} }

// read returns the records of an order up to the entry with the number last, which tx has added.
// They are kept when tx commits.
func (r *recentOrders) read(ctx context.Context, tx sqldb.Tx, id string, last int64) ([]journal.Record, error) {
	r.mu.Lock()
	known := r.orders[id]
	r.mu.Unlock()
	entries, err := store.StepsAfter(ctx, tx, id, known.last, summarized-len(known.records))
	if err != nil {
		return nil, err
	}
	now := recentOrder{slices.Clip(known.records), last}
	for _, e := range entries {
		now.records = append(now.records, e.Record)
	}
	tx.OnCommit(func() { r.keep(id, now) })
	return now.records, nil
}

// keep replaces what is known of an order. It forgets everything once in a while, so that
// orders which have ended need no further care.
func (r *recentOrders) keep(id string, now recentOrder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records += len(now.records) - len(r.orders[id].records)
	if r.orders[id] = now; r.records > mostRecent {
		clear(r.orders)
		r.records = 0
	}
}
