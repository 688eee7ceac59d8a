package app

import (
	"context"

	"troupe/patterns/audit"
	"troupe/patterns/inbox"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

type listDeadLettersRequest struct {
	State string `query:"state" enum:"retry,dead," doc:"Only those waiting for another try, or only the dead"`
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

// serveDeadLetters adds the operations with which an operator sees and replays the
// events that the service could not handle.
func serveDeadLetters(api *httpapi.API, env Env, in *inbox.Inbox) {
	list := func(ctx context.Context, r *listDeadLettersRequest) (*listDeadLettersResponse, error) {
		items, err := in.ParkedEvents(ctx, r.State, r.Limit)
		return &listDeadLettersResponse{deadLetterList{items}}, err
	}
	show := func(ctx context.Context, r *deadLetterRequest) (*deadLetterResponse, error) {
		event, err := in.ParkedEvent(ctx, r.ID)
		return &deadLetterResponse{event}, err
	}
	replay := func(ctx context.Context, r *deadLetterRequest) (*deadLetterResponse, error) {
		err := env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			if err := in.Replay(ctx, tx, r.ID); err != nil {
				return err
			}
			return env.Audit.Record(ctx, tx, audit.Entry{Action: "replay_dead_letter", Target: r.ID})
		})
		if err != nil {
			return nil, err
		}
		return show(ctx, r)
	}
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/dead-letters", list, admin, httpapi.Summary("List events that could not be handled"))
	httpapi.Get(api, "/dead-letters/{id}", show, admin, httpapi.Summary("Show one event that could not be handled"))
	httpapi.Post(api, "/dead-letters/{id}/replay", replay, admin, httpapi.Summary("Handle a dead event again"))
}
