package app

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/platform/auth"
	"troupe/platform/chaos"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

type labFault struct {
	Name   string         `json:"name" example:"broker"`
	Title  string         `json:"title" example:"the broker cannot be reached"`
	Active bool           `json:"active"`
	EndsAt timestamp.Time `json:"ends_at,omitzero"`
}

func labFaultOf(f chaos.Fault) labFault {
	return labFault{Name: f.Name, Title: f.Title, Active: !f.EndsAt.IsZero(), EndsAt: timestamp.Of(f.EndsAt)}
}

type labFaultList struct {
	Items []labFault `json:"items"`
}

type listFaultsResponse struct{ Body labFaultList }

type startFaultRequest struct {
	Body struct {
		Name    string `json:"name" minLength:"1" maxLength:"50" example:"broker"`
		Seconds int    `json:"seconds,omitempty" minimum:"1" maximum:"120" default:"20" doc:"When it ends by itself"`
	}
}

type faultResponse struct{ Body labFault }

type stopFaultRequest struct {
	Name string `path:"name" maxLength:"50"`
}

type poisonRequest struct {
	Body struct {
		Type     string `json:"type" maxLength:"255" example:"order.paid.v1" doc:"A type of event that this service publishes"`
		Consumer string `json:"consumer" maxLength:"50" example:"notifications" doc:"The one service that gets it"`
		OrderID  string `json:"order_id" maxLength:"100" doc:"The order that it claims to be about"`
	}
}

type poison struct {
	EventID string `json:"event_id"`
}

type poisonResponse struct{ Body poison }

// lab has the operations with which an admin causes faults, where there is a lab.
type lab struct {
	service Service
	env     Env
}

func (l lab) list(context.Context, *struct{}) (*listFaultsResponse, error) {
	list := labFaultList{Items: []labFault{}}
	for _, f := range l.env.Faults.List() {
		list.Items = append(list.Items, labFaultOf(f))
	}
	return &listFaultsResponse{list}, nil
}

// start causes a fault. It is recorded before, because the database may be away afterwards.
func (l lab) start(ctx context.Context, r *startFaultRequest) (*faultResponse, error) {
	if err := l.env.Faults.Check(r.Body.Name); err != nil {
		return nil, err
	}
	if err := l.record(ctx, audit.Entry{Action: "start_fault", Target: r.Body.Name}); err != nil {
		return nil, err
	}
	started, err := l.env.Faults.Start(r.Body.Name, time.Duration(r.Body.Seconds)*time.Second)
	return &faultResponse{labFaultOf(started)}, err
}

func (l lab) record(ctx context.Context, e audit.Entry) error {
	return l.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return l.env.Audit.Record(ctx, tx, e) })
}

// stop ends a fault.
func (l lab) stop(ctx context.Context, r *stopFaultRequest) (*struct{}, error) {
	if err := l.env.Faults.Stop(r.Name); err != nil {
		return nil, err
	}
	return nil, l.record(ctx, audit.Entry{Action: "stop_fault", Target: r.Name})
}

// stopAll ends all faults.
func (l lab) stopAll(ctx context.Context, _ *struct{}) (*struct{}, error) {
	l.env.Faults.StopAll()
	return nil, l.record(ctx, audit.Entry{Action: "stop_fault", Target: "all"})
}

// poison publishes an event that its consumer cannot read, to that consumer alone.
func (l lab) poison(ctx context.Context, r *poisonRequest) (*poisonResponse, error) {
	if !slices.Contains(l.service.Publishes, r.Body.Type) {
		return nil, fault.New(fault.Invalid, "type_not_published", "%s does not publish %q; name a type that it publishes, as GET /docs/events lists them", l.service.Name, r.Body.Type)
	}
	if !slices.Contains(l.service.Topology[r.Body.Type], r.Body.Consumer) {
		return nil, fault.New(fault.Invalid, "not_consumed", "%q does not consume %s; name a service that does", r.Body.Consumer, r.Body.Type)
	}
	e := event.Envelope{
		ID: l.env.NewID(), Source: l.service.Name, Type: r.Body.Type, Time: l.env.Now(),
		CorrelationID: r.Body.OrderID, Recipient: r.Body.Consumer, Data: unreadable(r.Body.OrderID),
	}
	err := l.env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := l.env.Outbox.AddEnvelope(ctx, tx, e); err != nil {
			return err
		}
		return l.env.Audit.Record(ctx, tx, audit.Entry{Action: "publish_poison", Target: e.ID, Detail: e.Type + " to " + e.Recipient})
	})
	return &poisonResponse{poison{e.ID}}, err
}

// unreadable returns data that names an order, and whose other members are of a type that no
// payload has.
func unreadable(orderID string) json.RawMessage {
	wrong := []string{"poison"}
	data, _ := json.Marshal(struct { // strings can be encoded
		OrderID   string   `json:"order_id"`
		UserID    []string `json:"user_id"`
		PaymentID []string `json:"payment_id"`
		Reason    []string `json:"reason"`
		Lines     []string `json:"lines"`
	}{orderID, wrong, wrong, wrong, wrong})
	return data
}

// serveLab adds the operations of the lab, if there is one.
func serveLab(api *httpapi.API, s Service, env Env) {
	if env.Faults == nil {
		return
	}
	l, admin := lab{s, env}, httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, labPrefix+"faults", l.list, admin, httpapi.Summary("List the faults that can be caused here"))
	httpapi.Post(api, labPrefix+"faults", l.start, admin, httpapi.Summary("Cause a fault"))
	httpapi.Delete(api, labPrefix+"faults/{name}", l.stop, admin, httpapi.Summary("End a fault"))
	httpapi.Delete(api, labPrefix+"faults", l.stopAll, admin, httpapi.Summary("End all faults"))
	httpapi.Post(api, labPrefix+"poison", l.poison, admin, httpapi.Status(http.StatusCreated), httpapi.Summary("Publish an event that cannot be read"))
}
