package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"troupe/patterns/journal"
	"troupe/platform/sqldb"
)

// Entry is a record of the journal with its number, which grows by time of arrival.
type Entry struct {
	Seq    int64
	Record journal.Record
}

// Filter selects entries about events. An empty field selects all.
type Filter struct{ Type, Service, Order, Outcome string }

// Add keeps records, and returns the number of the last one. The transaction has the
// numbers for itself until it ends, so that entries become visible in their order.
func Add(ctx context.Context, tx sqldb.Tx, records []journal.Record) (int64, error) {
	var last int64
	err := tx.QueryRow(ctx, "UPDATE last_entry SET seq = seq + $1 WHERE id = 1 RETURNING seq", int64(len(records))).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("number %d entries: %w", len(records), err)
	}
	var b sqldb.Batch
	for i, r := range records {
		body, err := json.Marshal(r)
		if err != nil {
			return 0, fmt.Errorf("encode a record: %w", err)
		}
		eventType, eventID, outcome := about(r)
		b.Exec(nil, `INSERT INTO entries (seq, at, kind, service, type, event_id, order_id, outcome, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			last-int64(len(records)-1-i), sqldb.Micros(r.At), string(r.Kind), r.Service, eventType, eventID, r.OrderID, outcome, string(body))
	}
	if err := tx.Run(ctx, &b); err != nil {
		return 0, fmt.Errorf("keep %d entries: %w", len(records), err)
	}
	return last, nil
}

// about returns what of a record is searched for.
func about(r journal.Record) (eventType, eventID, outcome string) {
	switch {
	case r.Event != nil:
		return r.Event.Type, r.Event.ID, ""
	case r.Attempt != nil:
		return r.Attempt.Type, r.Attempt.EventID, string(r.Attempt.Outcome)
	}
	return "", "", ""
}

// Entries returns up to limit entries about events, the newest last: those that follow
// after, or the newest of all if after is 0.
func Entries(ctx context.Context, q sqldb.Querier, f Filter, after int64, limit int) ([]Entry, error) {
	where, args := f.conditions(after)
	order := "ASC"
	if after == 0 {
		order = "DESC"
	}
	args = append(args, limit)
	entries, err := sqldb.All(ctx, q, scanEntry, fmt.Sprintf("SELECT seq, body FROM entries WHERE %s ORDER BY seq %s LIMIT $%d",
		where, order, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list entries: %w", err)
	}
	if after == 0 {
		slices.Reverse(entries)
	}
	return entries, nil
}

// conditions returns the filter as SQL.
func (f Filter) conditions(after int64) (string, []any) {
	where, args := []string{"seq > $1", "kind IN ('published', 'handled')"}, []any{after}
	for _, equal := range [][2]string{{"type", f.Type}, {"service", f.Service}, {"order_id", f.Order}, {"outcome", f.Outcome}} {
		if equal[1] != "" {
			args = append(args, equal[1])
			where = append(where, fmt.Sprintf("%s = $%d", equal[0], len(args)))
		}
	}
	return strings.Join(where, " AND "), args
}

// OfOrder returns the entries of an order, in the order of their arrival, at most limit.
func OfOrder(ctx context.Context, q sqldb.Querier, orderID string, limit int) ([]Entry, error) {
	entries, err := sqldb.All(ctx, q, scanEntry,
		"SELECT seq, body FROM entries WHERE order_id = $1 AND order_id <> '' ORDER BY seq LIMIT $2", orderID, limit)
	if err != nil {
		return nil, fmt.Errorf("list the entries of order %s: %w", orderID, err)
	}
	return entries, nil
}

// StepsAfter returns the entries of an order that follow the one with the number after, in the
// order of their arrival, at most limit. Lines of the log are no steps.
func StepsAfter(ctx context.Context, q sqldb.Querier, orderID string, after int64, limit int) ([]Entry, error) {
	entries, err := sqldb.All(ctx, q, scanEntry,
		"SELECT seq, body FROM entries WHERE order_id = $1 AND order_id <> '' AND seq > $2 AND kind <> 'log' ORDER BY seq LIMIT $3", orderID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list the steps of order %s: %w", orderID, err)
	}
	return entries, nil
}

func scanEntry(r sqldb.Row) (e Entry, err error) {
	var body string
	if err := r.Scan(&e.Seq, &body); err != nil {
		return Entry{}, err
	}
	if err := json.Unmarshal([]byte(body), &e.Record); err != nil {
		return Entry{}, fmt.Errorf("read entry %d: %w", e.Seq, err)
	}
	return e, nil
}

// Oldest returns the number of the oldest entry that is kept, and the one after last if none is.
func Oldest(ctx context.Context, q sqldb.Querier, last int64) (oldest int64, err error) {
	if err := q.QueryRow(ctx, "SELECT coalesce(min(seq), $1) FROM entries", last+1).Scan(&oldest); err != nil {
		return 0, fmt.Errorf("read the number of the oldest entry: %w", err)
	}
	return oldest, nil
}

// Last returns the number of the last entry.
func Last(ctx context.Context, q sqldb.Querier) (last int64, err error) {
	if err := q.QueryRow(ctx, "SELECT seq FROM last_entry WHERE id = 1").Scan(&last); err != nil {
		return 0, fmt.Errorf("read the number of the last entry: %w", err)
	}
	return last, nil
}
