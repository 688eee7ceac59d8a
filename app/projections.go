package app

import (
	"context"
	"fmt"
	"slices"

	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/patterns/republish"
	"troupe/patterns/retry"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// projectionRequested is the payload of the event with which a service that has lost what
// it keeps of another's data asks for it. Package app publishes and handles it for all
// services.
type projectionRequested struct {
	Projection string `json:"projection"`
	Consumer   string `json:"consumer"`
}

func (projectionRequested) EventType() string       { return "projection.requested.v1" }
func (e projectionRequested) CorrelationID() string { return e.Projection }

// newRepublisher returns what publishes the sources of a service again.
func (i *Instance) newRepublisher(rows int) *republish.Publisher {
	return &republish.Publisher{Config: republish.Config{
		DB: i.Env.DB, Outbox: i.Env.Outbox, Sources: i.Components.Republishes, Rows: rows, Now: i.Env.Now,
		Consumers: func(eventType string) []string { return i.Service.Topology[eventType] },
	}}
}

// requestHandlers returns the handler of projection.requested for a service with sources.
func (i *Instance) requestHandlers() []inbox.Handler {
	if len(i.Components.Republishes) == 0 {
		return nil
	}
	return []inbox.Handler{inbox.Handle(func(ctx context.Context, tx sqldb.Tx, r inbox.Received[projectionRequested]) error {
		if !i.republisher.Owns(r.Payload.Projection) {
			return nil // another service's
		}
		if err := i.republisher.Requested(ctx, tx, r.Payload.Projection, r.Payload.Consumer); err != nil {
			return retry.Permanent(fmt.Errorf("republish for %q: %w", r.Payload.Consumer, err))
		}
		return nil
	})}
}

// addProjections adds what publishes the sources of the service, and what asks for its
// projections.
func (i *Instance) addProjections() {
	if len(i.Components.Republishes) > 0 {
		i.Workers = append(i.Workers, i.republisher.Worker())
		serveRepublications(i.API, i.Env, i.republisher)
	}
	if len(i.Components.Projections) > 0 {
		requester := &republish.Requester{
			DB: i.Env.DB, Projections: i.Components.Projections, Now: i.Env.Now,
			Request: func(ctx context.Context, tx sqldb.Tx, projection string) error {
				i.Env.Log.Warn("the service has started without a projection: it asks the owner to publish it again", "projection", projection)
				return i.Env.Outbox.AddPending(ctx, tx, event.Pending{Payload: projectionRequested{projection, i.Service.Name}})
			},
		}
		i.Workers = append(i.Workers, requester.Worker())
	}
}

type startRepublicationRequest struct {
	Body struct {
		Projection string `json:"projection" minLength:"1" maxLength:"100" example:"products" doc:"What to publish again"`
		Consumer   string `json:"consumer,omitempty" maxLength:"100" example:"orders" doc:"The one service that it is for; every consumer if it is missing"`
	}
}

type republicationResponse struct{ Body republish.State }

type republicationList struct {
	Items []republish.State `json:"items"`
}

type listRepublicationsResponse struct{ Body republicationList }

// serveRepublications adds the operations with which an operator has a service publish
// again what it owns.
func serveRepublications(api *httpapi.API, env Env, p *republish.Publisher) {
	start := func(ctx context.Context, r *startRepublicationRequest) (*republicationResponse, error) {
		var state republish.State
		err := env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) (err error) {
			if state, err = p.Start(ctx, tx, r.Body.Projection, r.Body.Consumer); err != nil {
				return err
			}
			return env.Audit.Record(ctx, tx, audit.Entry{Action: "republish", Target: r.Body.Projection, Detail: r.Body.Consumer})
		})
		return &republicationResponse{state}, err
	}
	list := func(ctx context.Context, _ *struct{}) (*listRepublicationsResponse, error) {
		states, err := p.States(ctx)
		return &listRepublicationsResponse{republicationList{slices.Concat([]republish.State{}, states)}}, err
	}
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Post(api, "/republications", start, admin, httpapi.Summary("Publish again what this service owns"))
	httpapi.Get(api, "/republications", list, admin, httpapi.Summary("List what is or was published again"))
}
