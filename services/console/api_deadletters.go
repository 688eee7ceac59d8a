package console

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/view"
)

const (
	listedEvents = 200 // dead letters of a group that are listed
	shownBodies  = 20  // of them whose data is shown
	mostBatches  = 200 // requests to one service for one replay or discard
)

type deadLetterGroupsResponse struct{ Body view.DeadLetterGroups }

type deadLettersRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`

	Group string `path:"group" maxLength:"100" doc:"The id of a group"`
}

type deadLettersResponse struct{ Body view.DeadLetters }

// selectedEvents is which dead letters a replay or a discard is about.
type selectedEvents struct {
	Group         string `json:"group,omitempty" maxLength:"100" doc:"The id of a group"`
	Consumer      string `json:"consumer,omitempty" maxLength:"50" doc:"With event_id: the service that could not handle it"`
	EventID       string `json:"event_id,omitempty" maxLength:"255"`
	All           bool   `json:"all,omitempty" doc:"All dead letters of all services"`
	DryRun        bool   `json:"dry_run,omitempty" doc:"Only count them"`
	Reason        string `json:"reason,omitempty" maxLength:"150" doc:"Of a discard, which needs one"`
	Compensations bool   `json:"compensations,omitempty" doc:"Discard compensations too, although what they would undo then remains done"`
}

type changeEventsRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Body          selectedEvents
}

type replayedResponse struct{ Body view.Replayed }

func (c *console) registerDeadLetters(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/dead-letters", c.listDeadLetterGroups, admin, httpapi.Summary("List dead letters by cause"))
	httpapi.Get(api, "/console/api/dead-letters/{group}", c.listDeadLetters, admin, httpapi.Summary("List the dead letters of a group"))
	httpapi.Post(api, "/console/api/dead-letters/replay", c.replayEvents, admin, httpapi.Summary("Have dead letters handled again"))
	httpapi.Post(api, "/console/api/dead-letters/discard", c.discardEvents, admin, httpapi.Summary("Discard dead letters for good"))
}

// errShowsOnly is the error for an action in a console that is read-only.
var errShowsOnly = fault.New(fault.Forbidden, "console_readonly", "this console only shows what there is; set CONSOLE_MODE=full to act in it")

// consumers returns the names of the services that consume events, sorted.
func consumers() []string {
	var names []string
	for _, services := range events.Topology {
		names = append(names, services...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parkedGroup is a group as a service lists it.
type parkedGroup struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	State        string         `json:"state"`
	Cause        string         `json:"cause"`
	Count        int            `json:"count"`
	Returned     int            `json:"returned"`
	Compensation bool           `json:"compensation"`
	First        timestamp.Time `json:"first"`
	Last         timestamp.Time `json:"last"`
}

func (c *console) listDeadLetterGroups(ctx context.Context, r *servicesRequest) (*deadLetterGroupsResponse, error) {
	return &deadLetterGroupsResponse{c.deadLetterGroups(ctx, r.Authorization)}, nil
}

// deadLetterGroups asks all consumers at the same time. Those that do not answer are named.
func (c *console) deadLetterGroups(ctx context.Context, authorization string) view.DeadLetterGroups {
	groups := view.DeadLetterGroups{Items: []view.DeadLetterGroup{}}
	var mu sync.Mutex
	eachPeer(consumers(), func(service string) {
		var list struct {
			Items []parkedGroup `json:"items"`
		}
		err := c.getPeer(ctx, service, "/dead-letters/groups", authorization, &list)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			groups.Unreachable = append(groups.Unreachable, service)
			return
		}
		for _, g := range list.Items {
			groups.Items = append(groups.Items, view.DeadLetterGroup{
				ID: service + "." + g.ID, Consumer: service, Type: g.Type, Cause: g.Cause, State: g.State, Count: g.Count,
				First: g.First.Time, Last: g.Last.Time, Returned: g.Returned, Compensation: g.Compensation,
			})
		}
	})
	slices.Sort(groups.Unreachable)
	slices.SortFunc(groups.Items, func(a, b view.DeadLetterGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	return groups
}

// eachPeer calls f for every service, all at the same time.
func eachPeer(services []string, f func(service string)) {
	var wait sync.WaitGroup
	for _, service := range services {
		wait.Go(func() { f(service) })
	}
	wait.Wait()
}

// splitGroup returns the service of a group and the id under which the service knows it.
func splitGroup(id string) (service, group string, err error) {
	service, group, found := strings.Cut(id, ".")
	if !found || !slices.Contains(consumers(), service) {
		return "", "", fault.Missing("group", id, "GET /console/api/dead-letters lists the groups")
	}
	return service, group, nil
}

// parkedEvent is an event as a service lists it.
type parkedEvent struct {
	EventID       string         `json:"event_id"`
	Type          string         `json:"type"`
	State         string         `json:"state"`
	Attempts      int            `json:"attempts"`
	Replays       int            `json:"replays"`
	LastError     string         `json:"last_error"`
	FirstFailed   timestamp.Time `json:"first_failed"`
	CorrelationID string         `json:"correlation_id"`
	Body          string         `json:"body"`
}

func (c *console) listDeadLetters(ctx context.Context, r *deadLettersRequest) (*deadLettersResponse, error) {
	service, group, err := splitGroup(r.Group)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []parkedEvent `json:"items"`
	}
	path := "/dead-letters?" + url.Values{"group": {group}, "limit": {strconv.Itoa(listedEvents)}}.Encode()
	if err := c.getPeer(ctx, service, path, r.Authorization, &list); err != nil {
		return nil, err
	}
	result := view.DeadLetters{Items: make([]view.DeadLetter, len(list.Items))}
	for i, e := range list.Items {
		result.Items[i] = view.DeadLetter{
			EventID: e.EventID, Consumer: service, Type: e.Type, State: e.State, Attempts: e.Attempts, Replays: e.Replays,
			OrderID: e.CorrelationID, Error: journal.RedactText(e.LastError), At: e.FirstFailed.Time,
		}
		if i < shownBodies {
			result.Items[i].Data = c.dataOf(ctx, service, e, r.Authorization)
		}
	}
	return &deadLettersResponse{result}, nil
}

// dataOf returns the data of an event without what is secret or personal, as the journal
// has it, nil if there is none to show. All of that of events about accounts is personal.
func (c *console) dataOf(ctx context.Context, service string, e parkedEvent, authorization string) json.RawMessage {
	if strings.HasPrefix(e.Type, "user.") {
		return nil
	}
	var full parkedEvent
	if err := c.getPeer(ctx, service, "/dead-letters/"+url.PathEscape(e.EventID), authorization, &full); err != nil {
		return nil // it may have been handled meanwhile
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal([]byte(full.Body), &envelope); err != nil {
		return nil // what cannot be read is not shown as data
	}
	return journal.RedactJSON(envelope.Data)
}

func (c *console) replayEvents(ctx context.Context, r *changeEventsRequest) (*replayedResponse, error) {
	return c.changeEvents(ctx, r, "replay")
}

func (c *console) discardEvents(ctx context.Context, r *changeEventsRequest) (*replayedResponse, error) {
	if len(strings.TrimSpace(r.Body.Reason)) < 3 {
		return nil, fault.New(fault.Invalid, "reason_required", "say in reason why these events need not be handled")
	}
	return c.changeEvents(ctx, r, "discard")
}

// changeEvents replays or discards at the services that failed, and nowhere else.
func (c *console) changeEvents(ctx context.Context, r *changeEventsRequest, action string) (*replayedResponse, error) {
	services, body, err := r.Body.resolve(action)
	if err != nil {
		return nil, err
	}
	if !r.Body.DryRun {
		if c.Mode != modeFull {
			return nil, errShowsOnly
		}
		if err := c.recordAction(ctx, audit.Entry{Action: action + "_dead_letters", Target: r.Body.target(), Detail: r.Body.Reason}); err != nil {
			return nil, err
		}
	}
	result := view.Replayed{DryRun: r.Body.DryRun}
	var mu sync.Mutex
	eachPeer(services, func(service string) {
		done, err := c.changeAt(ctx, service, action, body, r.Authorization)
		mu.Lock()
		defer mu.Unlock()
		result.Count += done.Count
		result.Kept += done.Kept
		if err != nil {
			result.Failed++
			result.Problems = append(result.Problems, err.Error())
		}
	})
	slices.Sort(result.Problems)
	return &replayedResponse{result}, nil
}

// recordAction records what an admin does in the console.
func (c *console) recordAction(ctx context.Context, e audit.Entry) error {
	return c.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return c.Audit.Record(ctx, tx, e) })
}

// resolve returns the services that are asked, and what they are asked.
func (s selectedEvents) resolve(action string) (services []string, body map[string]any, err error) {
	body = map[string]any{"dry_run": s.DryRun}
	if action == "discard" {
		body["reason"], body["compensations"] = s.Reason, s.Compensations
	}
	switch {
	case s.Group != "":
		service, group, err := splitGroup(s.Group)
		body["group"] = group
		return []string{service}, body, err
	case s.EventID != "" && slices.Contains(consumers(), s.Consumer):
		body["ids"] = []string{s.EventID}
		return []string{s.Consumer}, body, nil
	case s.All:
		body["all"] = true
		return consumers(), body, nil
	}
	return nil, nil, fault.New(fault.Invalid, "nothing_selected",
		"say which dead letters are meant: a group, an event_id with the consumer that failed, or all=true")
}

func (s selectedEvents) target() string {
	switch {
	case s.Group != "":
		return s.Group
	case s.EventID != "":
		return s.EventID + " at " + s.Consumer
	}
	return "all"
}

// changedAt is what a service has changed.
type changedAt struct {
	Count int    `json:"count"`
	Kept  int    `json:"kept"`
	Next  string `json:"next"`
}

// changeAt has one service change what is selected, a bounded batch at a time.
func (c *console) changeAt(ctx context.Context, service, action string, body map[string]any, authorization string) (total changedAt, err error) {
	request := maps.Clone(body)
	for range mostBatches {
		var done changedAt
		err := c.callPeer(ctx, peerRequest{
			service: service, method: http.MethodPost, path: "/dead-letters/" + action, authorization: authorization, body: request,
		}, &done)
		if err != nil {
			return total, err
		}
		total.Count, total.Kept = total.Count+done.Count, total.Kept+done.Kept
		if done.Next == "" {
			break
		}
		request["after"] = done.Next
	}
	return total, nil
}
