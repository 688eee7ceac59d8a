package console

import (
	"context"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/traces"
	"troupe/services/console/internal/view"
)

// slowTrace is how long a trace takes that counts as slow.
const slowTrace = time.Second

type listTracesRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`

	Q      string `query:"q" maxLength:"200" doc:"In the id of the trace or of its order, or in the name, the service or the error of a span"`
	Errors bool   `query:"errors" doc:"Only those in which something failed"`
	Slow   bool   `query:"slow" doc:"Only those that took at least one second"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type tracesResponse struct{ Body view.Traces }

type traceRequest struct {
	Authorization string `header:"Authorization" hidden:"true"`

	ID string `path:"id" maxLength:"64" doc:"The id of a trace"`
}

type traceResponse struct{ Body view.Trace }

func (c *console) registerTraces(api *httpapi.API) {
	kept := c.traces
	c.observe(kept.Add)
	list := func(ctx context.Context, r *listTracesRequest) (*tracesResponse, error) {
		c.fetchJournal(ctx, r.Authorization)
		f := traces.Filter{Text: r.Q, Errors: r.Errors}
		if r.Slow {
			f.Slow = slowTrace
		}
		return &tracesResponse{view.Traces{Items: kept.List(f, r.Limit)}}, nil
	}
	show := func(ctx context.Context, r *traceRequest) (*traceResponse, error) {
		c.fetchJournal(ctx, r.Authorization)
		spans := kept.Get(r.ID)
		if spans == nil {
			return nil, fault.Missing("trace", r.ID, "only recent traces are kept; GET /console/api/traces lists them")
		}
		return &traceResponse{view.Trace{TraceID: r.ID, Spans: spans}}, nil
	}
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, "/console/api/traces", list, admin, httpapi.Summary("List recent traces"))
	httpapi.Get(api, "/console/api/traces/{id}", show, admin, httpapi.Summary("Show the spans of a trace"))
}
