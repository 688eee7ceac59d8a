package inbox

import (
	"context"
	"fmt"
	"slices"

	"troupe/platform/sqldb"
)

// Changed is what a replay or a discard of many events did, or would do.
type Changed struct {
	Events []ParkedEvent // that were changed
	Kept   int           // compensations that were not discarded
	Next   string        // the id after which the next call goes on, "" if nothing is left
}

// ReplayMany has the next parked events of the selection that follow the id after handled
// again, at most 500 in one call. Those that are due already are left alone, so a second
// call at once changes nothing. The events reach only this service.
func (i *Inbox) ReplayMany(ctx context.Context, q sqldb.Querier, s Selection, after string) (Changed, error) {
	page, next, err := i.selected(ctx, q, s, after)
	if err != nil {
		return Changed{}, fmt.Errorf("select events to replay: %w", err)
	}
	changed := Changed{Next: next}
	replayed, err := i.changeMany(ctx, q, page, `UPDATE parked SET state = 'retry', attempts = 0, next_try = $1, replays = replays + 1
		WHERE (state = 'dead' OR next_try > $1) AND consumer = $2 AND event_id`, sqldb.Micros(i.now()), i.service)
	changed.Events = replayed
	return changed, err
}

// DiscardMany deletes the next parked events of the selection that follow the id after, at
// most 500 in one call. They will never be handled. A compensation is kept unless
// compensations is set: what it would have undone remains done.
func (i *Inbox) DiscardMany(ctx context.Context, q sqldb.Querier, s Selection, after string, compensations bool) (Changed, error) {
	page, next, err := i.selected(ctx, q, s, after)
	if err != nil {
		return Changed{}, fmt.Errorf("select events to discard: %w", err)
	}
	changed := Changed{Next: next}
	page, changed.Kept = i.withoutCompensations(page, compensations)
	changed.Events, err = i.changeMany(ctx, q, page, "DELETE FROM parked WHERE consumer = $1 AND event_id", i.service)
	return changed, err
}

// withoutCompensations returns the events without those that undo something, unless all
// are meant, and how many it has left out.
func (i *Inbox) withoutCompensations(page []ParkedEvent, all bool) ([]ParkedEvent, int) {
	if all {
		return page, 0
	}
	n := len(page)
	page = slices.DeleteFunc(page, func(p ParkedEvent) bool { return i.isCompensation(p.Type) })
	return page, n - len(page)
}

// changeMany runs a statement for the events, and returns those that it has changed.
func (i *Inbox) changeMany(ctx context.Context, q sqldb.Querier, page []ParkedEvent, before string, args ...any) ([]ParkedEvent, error) {
	ids := make([]any, len(page))
	for n, p := range page {
		ids[n] = p.EventID
	}
	changed := make(map[string]bool, len(page))
	_, err := sqldb.In(ctx, q, before, args, ids, "RETURNING event_id", func(r sqldb.Row) error {
		var id string
		err := r.Scan(&id)
		changed[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change %d parked events: %w", len(page), err)
	}
	return slices.DeleteFunc(page, func(p ParkedEvent) bool { return !changed[p.EventID] }), nil
}

// Count returns how many parked events a replay of the selection would change, or with
// discard, a discard, and how many compensations that would keep.
func (i *Inbox) Count(ctx context.Context, s Selection, discard, compensations bool) (n, kept int, err error) {
	now := i.now()
	err = i.eachSelected(ctx, i.db, s, func(page []ParkedEvent) error {
		if discard {
			var left int
			page, left = i.withoutCompensations(page, compensations)
			kept += left
		} else {
			page = slices.DeleteFunc(page, func(p ParkedEvent) bool { return p.State == stateRetry && !p.NextTry.After(now) })
		}
		n += len(page)
		return nil
	})
	return n, kept, err
}
