package inbox

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// ParkedGroup is parked events of one type in one state that failed for the same cause.
type ParkedGroup struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	State        string         `json:"state" enum:"retry,dead"`
	Cause        string         `json:"cause" doc:"The error without what differs from event to event"`
	Count        int            `json:"count"`
	Returned     int            `json:"returned" doc:"How many of them were replayed and failed again"`
	Compensation bool           `json:"compensation" doc:"They undo something, so they are never given up, and a discard needs compensations=true"`
	First        timestamp.Time `json:"first" doc:"When the oldest failed for the first time"`
	Last         timestamp.Time `json:"last" doc:"When the latest failed for the first time"`
}

// mostGrouped is how many parked events are looked at for groups, at most.
const mostGrouped = 50_000

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// ParkedGroups returns the parked events in groups, the largest first. It looks at the
// oldest 50,000.
func (i *Inbox) ParkedGroups(ctx context.Context) ([]ParkedGroup, error) {
	groups, seen := map[string]*ParkedGroup{}, 0
	err := i.eachSelected(ctx, i.db, Selection{}, func(page []ParkedEvent) error {
		for _, p := range page {
			i.addToGroup(groups, p)
		}
		if seen += len(page); seen >= mostGrouped {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	list := make([]ParkedGroup, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b ParkedGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func (i *Inbox) addToGroup(groups map[string]*ParkedGroup, p ParkedEvent) {
	g := groups[p.Group]
	if g == nil {
		g = &ParkedGroup{
			ID: p.Group, Type: p.Type, State: p.State, Cause: p.Cause, First: p.FirstFailed, Last: p.FirstFailed,
			Compensation: i.isCompensation(p.Type),
		}
		groups[p.Group] = g
	}
	g.Count++
	if p.Replays > 0 && p.Attempts > 0 { // a replay begins at no attempt
		g.Returned++
	}
	if p.FirstFailed.Before(g.First.Time) {
		g.First = p.FirstFailed
	}
	if p.FirstFailed.After(g.Last.Time) {
		g.Last = p.FirstFailed
	}
}

// isCompensation reports whether events of the type are never given up.
func (i *Inbox) isCompensation(eventType string) bool {
	h := i.handlers[eventType]
	return h != nil && h.neverGiveUp
}

// Selection selects parked events: those that match every field that is set.
type Selection struct {
	IDs   []string // of events
	Type  string
	Group string // the id of a ParkedGroup
	State string // "retry" or "dead"
}

func (s Selection) matches(p ParkedEvent) bool {
	return (s.Type == "" || s.Type == p.Type) && (s.State == "" || s.State == p.State) && (s.Group == "" || s.Group == p.Group) &&
		(len(s.IDs) == 0 || slices.Contains(s.IDs, p.EventID))
}

// selectPage is how many parked events one statement reads, and one transaction changes.
const selectPage = 500

// selected returns the events of the selection among the next that follow the id after,
// and the id after which to go on, "" if there are no more.
func (i *Inbox) selected(ctx context.Context, q sqldb.Querier, s Selection, after string) (page []ParkedEvent, next string, err error) {
	const columns = "SELECT " + parkedColumns + "'' FROM parked WHERE consumer = $1 AND "
	if len(s.IDs) > 0 {
		ids := make([]any, len(s.IDs))
		for n, id := range s.IDs {
			ids[n] = cleanText(id)
		}
		_, err = sqldb.In(ctx, q, columns+"event_id", []any{i.service}, ids, "", func(r sqldb.Row) error {
			p, err := scanParkedEvent(r)
			page = append(page, p)
			return err
		})
	} else {
		page, err = sqldb.All(ctx, q, scanParkedEvent, columns+"event_id > $2 ORDER BY event_id LIMIT $3", i.service, after, selectPage)
		if len(page) == selectPage {
			next = page[len(page)-1].EventID
		}
	}
	return slices.DeleteFunc(page, func(p ParkedEvent) bool { return !s.matches(p) }), next, err
}

// eachSelected calls f with the events of the selection, a page at a time.
func (i *Inbox) eachSelected(ctx context.Context, q sqldb.Querier, s Selection, f func([]ParkedEvent) error) error {
	for after := ""; ; {
		page, next, err := i.selected(ctx, q, s, after)
		if err != nil {
			return err
		}
		if err := f(page); err != nil || next == "" {
			return err
		}
		after = next
	}
}

// ParkedEventsIn returns at most limit parked events of the selection, without their
// bodies.
func (i *Inbox) ParkedEventsIn(ctx context.Context, s Selection, limit int) ([]ParkedEvent, error) {
	var ids []any
	err := i.eachSelected(ctx, i.db, s, func(page []ParkedEvent) error {
		for _, p := range page[:min(len(page), limit-len(ids))] {
			ids = append(ids, p.EventID)
		}
		if len(ids) >= limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	events := make([]ParkedEvent, 0, len(ids))
	_, err = sqldb.In(ctx, i.db, "SELECT "+parkedColumns+"body FROM parked WHERE consumer = $1 AND event_id", []any{i.service}, ids, "",
		func(r sqldb.Row) error {
			p, err := scanParkedEvent(r)
			p.Body = ""
			events = append(events, p)
			return err
		})
	slices.SortFunc(events, func(a, b ParkedEvent) int { return cmp.Compare(a.EventID, b.EventID) })
	return events, err
}
