package app

import (
	"context"
	"strconv"

	"troupe/patterns/audit"
	"troupe/patterns/inbox"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

type listDeadLettersRequest struct {
	State string `query:"state" enum:"retry,dead," doc:"Only those waiting for another try, or only the dead"`
	Group string `query:"group" maxLength:"64" doc:"Only those of a group, as GET /dead-letters/groups names it"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type deadLetterList struct {
	Items []inbox.ParkedEvent `json:"items"`
}

type listDeadLettersResponse struct{ Body deadLetterList }

type deadLetterRequest struct {
	ID string `path:"id" doc:"The event's id"`
}

type deadLetterResponse struct{ Body inbox.ParkedEvent }

type deadLetterGroups struct {
	Items []inbox.ParkedGroup `json:"items"`
}

type deadLetterGroupsResponse struct{ Body deadLetterGroups }

// DeadLetterSelection selects the events that an operation on many is about.
type DeadLetterSelection struct {
	IDs    []string `json:"ids,omitempty" maxItems:"500" doc:"The ids of events"`
	Type   string   `json:"type,omitempty" maxLength:"255" doc:"All dead letters of a type of event" example:"order.created.v1"`
	Group  string   `json:"group,omitempty" maxLength:"64" doc:"All events of a group, as GET /dead-letters/groups names it"`
	All    bool     `json:"all,omitempty" doc:"All dead letters"`
	After  string   `json:"after,omitempty" maxLength:"255" doc:"The next of the answer before, to go on"`
	DryRun bool     `json:"dry_run,omitempty" doc:"Only count them"`
}

var errNothingSelected = fault.New(fault.Invalid, "nothing_selected",
	"say which events are meant: ids, a type, a group, or all=true")

// selection returns which parked events are meant. Those that wait for another attempt by
// themselves are meant only if they are named by their ids or their group.
func (s DeadLetterSelection) selection() (inbox.Selection, error) {
	if len(s.IDs) == 0 && s.Type == "" && s.Group == "" && !s.All {
		return inbox.Selection{}, errNothingSelected
	}
	selected := inbox.Selection{IDs: s.IDs, Type: s.Type, Group: s.Group}
	if len(s.IDs) == 0 && s.Group == "" {
		selected.State = "dead"
	}
	return selected, nil
}

// target returns what the audit log names.
func (s DeadLetterSelection) target() string {
	switch {
	case len(s.IDs) == 1:
		return s.IDs[0]
	case len(s.IDs) > 1:
		return strconv.Itoa(len(s.IDs)) + " events"
	case s.Group != "":
		return "group " + s.Group
	case s.Type != "":
		return s.Type
	}
	return "all"
}

type replayManyRequest struct{ Body DeadLetterSelection }

type discardManyRequest struct {
	Body struct {
		DeadLetterSelection
		Reason        string `json:"reason" minLength:"3" maxLength:"150" doc:"Why they need not be handled; the audit log keeps it" example:"The order was repeated by hand"`
		Compensations bool   `json:"compensations,omitempty" doc:"Discard compensations too, although what they would undo then remains done"`
	}
}

type changedDeadLetters struct {
	DryRun bool   `json:"dry_run"`
	Count  int    `json:"count" doc:"How many it is, or would be"`
	Kept   int    `json:"kept" doc:"Compensations that were not discarded"`
	Next   string `json:"next,omitempty" doc:"Pass as after to go on: one call changes at most 500"`
}

type changedDeadLettersResponse struct{ Body changedDeadLetters }

// deadLetters has the operations with which an operator sees, replays and discards the
// events that the service could not handle.
type deadLetters struct {
	env Env
	in  *inbox.Inbox
}

func (d deadLetters) list(ctx context.Context, r *listDeadLettersRequest) (*listDeadLettersResponse, error) {
	if r.Group != "" {
		items, err := d.in.ParkedEventsIn(ctx, inbox.Selection{Group: r.Group, State: r.State}, r.Limit)
		return &listDeadLettersResponse{deadLetterList{items}}, err
	}
	items, err := d.in.ParkedEvents(ctx, r.State, r.Limit)
	return &listDeadLettersResponse{deadLetterList{items}}, err
}

func (d deadLetters) groups(ctx context.Context, _ *struct{}) (*deadLetterGroupsResponse, error) {
	groups, err := d.in.ParkedGroups(ctx)
	return &deadLetterGroupsResponse{deadLetterGroups{groups}}, err
}

func (d deadLetters) show(ctx context.Context, r *deadLetterRequest) (*deadLetterResponse, error) {
	event, err := d.in.ParkedEvent(ctx, r.ID)
	return &deadLetterResponse{event}, err
}

func (d deadLetters) replay(ctx context.Context, r *deadLetterRequest) (*deadLetterResponse, error) {
	err := d.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := d.in.Replay(ctx, tx, r.ID); err != nil {
			return err
		}
		return d.env.Audit.Record(ctx, tx, audit.Entry{Action: "replay_dead_letter", Target: r.ID})
	})
	if err != nil {
		return nil, err
	}
	return d.show(ctx, r)
}

// replayMany replays a part of a selection, or counts all of it.
func (d deadLetters) replayMany(ctx context.Context, r *replayManyRequest) (*changedDeadLettersResponse, error) {
	selection, err := r.Body.selection()
	if err != nil {
		return nil, err
	}
	if r.Body.DryRun {
		return d.count(ctx, selection, false, false)
	}
	var changed inbox.Changed
	err = d.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if changed, err = d.in.ReplayMany(ctx, tx, selection, r.Body.After); err != nil {
			return err
		}
		return d.env.Audit.Record(ctx, tx, audit.Entry{
			Action: "replay_dead_letters", Target: r.Body.target(), Detail: strconv.Itoa(len(changed.Events)) + " events",
		})
	})
	return resultOf(changed), err
}

// discardMany discards a part of a selection, or counts all of it. The audit log names
// each event, because nothing else is left of it.
func (d deadLetters) discardMany(ctx context.Context, r *discardManyRequest) (*changedDeadLettersResponse, error) {
	selection, err := r.Body.selection()
	if err != nil {
		return nil, err
	}
	if r.Body.DryRun {
		return d.count(ctx, selection, true, r.Body.Compensations)
	}
	var changed inbox.Changed
	err = d.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
		if changed, err = d.in.DiscardMany(ctx, tx, selection, r.Body.After, r.Body.Compensations); err != nil {
			return err
		}
		for _, e := range changed.Events {
			entry := audit.Entry{Action: "discard_dead_letter", Target: e.EventID, Detail: e.Type + ": " + r.Body.Reason}
			if err := d.env.Audit.Record(ctx, tx, entry); err != nil {
				return err
			}
		}
		return nil
	})
	return resultOf(changed), err
}

func (d deadLetters) count(ctx context.Context, s inbox.Selection, discard, compensations bool) (*changedDeadLettersResponse, error) {
	n, kept, err := d.in.Count(ctx, s, discard, compensations)
	return &changedDeadLettersResponse{changedDeadLetters{DryRun: true, Count: n, Kept: kept}}, err
}

func resultOf(c inbox.Changed) *changedDeadLettersResponse {
	return &changedDeadLettersResponse{changedDeadLetters{Count: len(c.Events), Kept: c.Kept, Next: c.Next}}
}

// serveDeadLetters adds the operations on events that the service could not handle.
func serveDeadLetters(api *httpapi.API, env Env, in *inbox.Inbox) {
	d, admin := deadLetters{env, in}, httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/dead-letters", d.list, admin, httpapi.Summary("List events that could not be handled"))
	httpapi.Get(api, "/dead-letters/groups", d.groups, admin, httpapi.Summary("List events that could not be handled, by cause"))
	httpapi.Get(api, "/dead-letters/{id}", d.show, admin, httpapi.Summary("Show one event that could not be handled"))
	httpapi.Post(api, "/dead-letters/{id}/replay", d.replay, admin, httpapi.Summary("Handle a dead event again"))
	httpapi.Post(api, "/dead-letters/replay", d.replayMany, admin, httpapi.BodyLimit(64<<10), httpapi.Summary("Handle dead events again"))
	httpapi.Post(api, "/dead-letters/discard", d.discardMany, admin, httpapi.BodyLimit(64<<10), httpapi.Summary("Discard dead events"))
}
