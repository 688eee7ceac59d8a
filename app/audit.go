package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

type listAuditRequest struct {
	httpapi.PageQuery
	Action        string    `query:"action" maxLength:"100" example:"sign_in"`
	Outcome       string    `query:"outcome" enum:"ok,refused,throttled,"`
	Actor         string    `query:"actor" maxLength:"100" doc:"The id of a user, or \"system\""`
	Target        string    `query:"target" maxLength:"200" doc:"The id of what it was done to"`
	ClientAddress string    `query:"client_address" maxLength:"100"`
	Since         time.Time `query:"since" doc:"Only entries from this time on"`
	Until         time.Time `query:"until" doc:"Only entries before this time"`
}

func (r *listAuditRequest) filter(before string) audit.Filter {
	return audit.Filter{
		Action: r.Action, Outcome: r.Outcome, Actor: r.Actor, Target: r.Target, ClientAddress: r.ClientAddress,
		Since: r.Since, Until: r.Until, Before: before,
	}
}

type listAuditResponse struct{ Body httpapi.Page[audit.View] }

// serveAuditLog adds the operation with which an admin reads the audit log of a service.
// Its path names the service, so that the gateway can route it.
func serveAuditLog(api *httpapi.API, service string, log *audit.Log) {
	list := func(ctx context.Context, r *listAuditRequest) (*listAuditResponse, error) {
		before, err := r.After()
		if err != nil {
			return nil, err
		}
		entries, err := log.List(ctx, r.filter(before), r.Fetch())
		if err != nil {
			return nil, err
		}
		return &listAuditResponse{httpapi.PageOf(r.PageQuery, entries,
			func(v audit.View) string { return v.ID }, func(v audit.View) audit.View { return v })}, nil
	}
	httpapi.Get(api, "/audit/"+service, list, httpapi.RequireRole(auth.Admin),
		httpapi.Summary("List the audit log of "+service+", newest first"))
}

type recordActionRequest struct{ Body AuditedAction }

// AuditedAction is what an admin does at a service whose audit log another service keeps:
// the body of POST /audit/{name}.
type AuditedAction struct {
	Action string `json:"action" minLength:"1" maxLength:"100" example:"force_breaker"`
	Target string `json:"target" maxLength:"200" example:"orders"`
	Detail string `json:"detail,omitempty" maxLength:"200" example:"forced_open"`
}

// keepAuditOfOthers keeps the audit logs of services without a database. Such a service
// passes on the token of the admin, so the entry names who has really called it.
func (i *Instance) keepAuditOfOthers(w Dependencies, settings Settings) {
	for _, name := range i.Components.KeepsAuditOf {
		log := audit.New(audit.Config{Service: name, DB: w.DB, Now: w.Now, NewID: w.NewID, Log: w.Log})
		serveAuditLog(i.API, name, log)
		record := func(ctx context.Context, in *recordActionRequest) (*struct{}, error) {
			return nil, w.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return log.Record(ctx, tx, audit.Entry{Action: in.Body.Action, Target: in.Body.Target, Detail: in.Body.Detail})
			})
		}
		httpapi.Post(i.API, "/audit/"+name, record, httpapi.RequireRole(auth.Admin),
			httpapi.Summary("Record what an admin does at the "+name))
		retention := log.Retention(settings.AuditKeep)
		retention.Name += " of " + name
		i.Workers = append(i.Workers, retention)
	}
}

// auditAdminCall records what the service itself has not recorded: that an operation for
// admins was refused to a caller, and that one was carried out whose author forgot to
// record it. Those who may call it are recorded only if they change something.
func (i *Instance) auditAdminCall(ctx context.Context, call httpapi.AdminCall) {
	caller := auth.CallerOf(ctx)
	if i.Env.Audit == nil || caller.UserID == "" || audit.Recorded(ctx) {
		return
	}
	entry := audit.Entry{Action: call.Method + " " + call.Route, Target: call.Path, Detail: fmt.Sprintf("status %d", call.Status)}
	switch {
	case call.Status >= http.StatusInternalServerError:
		// It was not refused, and what has become of it is in the log.
	case call.Status == http.StatusForbidden, call.Status >= http.StatusBadRequest && !call.Reads:
		entry.Outcome = audit.Refused
		i.Env.Audit.Refuse(ctx, entry)
	case !call.Reads:
		i.recordLate(ctx, entry)
	}
}

// recordLate records an action after its transaction.
func (i *Instance) recordLate(ctx context.Context, entry audit.Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := i.Env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error { return i.Env.Audit.Record(ctx, tx, entry) })
	if err != nil {
		i.Env.Log.ErrorContext(ctx, "an action of an admin is missing in the audit log",
			"action", entry.Action, "target", entry.Target, "user", auth.CallerOf(ctx).UserID, "error", err)
	}
}
