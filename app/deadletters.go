package app

import (
	"context"

	"troupe/patterns/inbox"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

type lettersRequest struct {
	State string `query:"state" enum:"retry,dead," doc:"Only those waiting for another try, or only the dead"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type letters struct {
	Items []inbox.ParkedEvent `json:"items"`
}

type lettersReply struct{ Body letters }

type letterRequest struct {
	ID string `path:"id" doc:"The event's id"`
}

type letterReply struct{ Body inbox.ParkedEvent }

// serveDeadLetters lets an operator see and replay what the service could not handle.
func serveDeadLetters(api *httpapi.API, in *inbox.Inbox) {
	list := func(ctx context.Context, r *lettersRequest) (*lettersReply, error) {
		items, err := in.ParkedEvents(ctx, r.State, r.Limit)
		return &lettersReply{letters{items}}, err
	}
	show := func(ctx context.Context, r *letterRequest) (*letterReply, error) {
		letter, err := in.ParkedEvent(ctx, r.ID)
		return &letterReply{letter}, err
	}
	replay := func(ctx context.Context, r *letterRequest) (*letterReply, error) {
		if err := in.Replay(ctx, r.ID); err != nil {
			return nil, err
		}
		return show(ctx, r)
	}
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/dead-letters", list, admin, httpapi.Summary("List events that could not be handled"))
	httpapi.Get(api, "/dead-letters/{id}", show, admin, httpapi.Summary("Show one event that could not be handled"))
	httpapi.Post(api, "/dead-letters/{id}/replay", replay, admin, httpapi.Summary("Handle a dead event again"))
}
