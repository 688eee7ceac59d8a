package console

import (
	"context"
	"slices"
	"time"

	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

// summarized is how many entries of an order its line in the list is made from.
const summarized = 2000

// journaled takes what the services have recorded: it keeps the records and brings the list
// of orders up to date. Spans and numbers of requests are kept in memory alone, by those who observe.
func (c *console) journaled(ctx context.Context, records []journal.Record) error {
	for _, observe := range c.observers {
		observe(records)
	}
	kept := slices.DeleteFunc(slices.Clone(records), func(r journal.Record) bool {
		return r.Kind == journal.Finished || r.Kind == journal.Served
	})
	if len(kept) == 0 {
		return nil
	}
	err := c.DB.TxRelaxed(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		last, err := store.Add(ctx, tx, kept)
		if err != nil {
			return err
		}
		return c.listOrders(ctx, tx, kept, last)
	})
	if err == nil {
		c.changes.Changed(journalTopic)
	}
	return err
}

// listOrders brings the lines of the orders up to date that the records are about. last is
// the number of the last of them.
func (c *console) listOrders(ctx context.Context, tx sqldb.Tx, records []journal.Record, last int64) error {
	var lines []view.OrderSummary
	seen := map[string]bool{"": true}
	for _, r := range records {
		if seen[r.OrderID] || r.Kind == journal.Logged { // a line of the log is no step
			continue
		}
		seen[r.OrderID] = true
		steps, err := c.recent.read(ctx, tx, r.OrderID, last)
		if err != nil {
			return err
		}
		lines = append(lines, c.summarize(r.OrderID, steps))
	}
	return store.PutOrders(ctx, tx, lines)
}

// summaryOf returns the line of an order in the list, as it is now.
func (c *console) summaryOf(ctx context.Context, q sqldb.Querier, id string) (view.OrderSummary, error) {
	entries, err := store.OfOrder(ctx, q, id, summarized)
	if err != nil {
		return view.OrderSummary{}, err
	}
	records := make([]journal.Record, len(entries))
	for i, e := range entries {
		records[i] = e.Record
	}
	return c.summarize(id, records), nil
}

func (c *console) summarize(id string, records []journal.Record) view.OrderSummary {
	line := story.Summary(records, c.Now())
	line.ID = id
	return line
}

// retention returns the worker that deletes what is old.
func (c *console) retention() worker.Worker {
	return worker.Worker{Name: "retention of the console", Background: true, Interval: 10 * time.Second, Step: func(ctx context.Context) (int, error) {
		return store.Prune(ctx, c.DB, c.Now().Add(-c.Keep), c.KeepOrders)
	}}
}
