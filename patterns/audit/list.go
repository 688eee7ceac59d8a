package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// View is a recorded entry.
type View struct {
	ID            string         `json:"id"`
	At            timestamp.Time `json:"at"`
	Action        string         `json:"action" example:"refund_payment"`
	Outcome       string         `json:"outcome" enum:"ok,refused,throttled"`
	Actor         string         `json:"actor" doc:"The id of the user who did it, \"system\" if the service itself did, empty if nobody was signed in"`
	Role          string         `json:"role,omitempty" doc:"The actor's role, as the access token stated it"`
	Target        string         `json:"target" doc:"The id of what it was done to"`
	Detail        string         `json:"detail,omitempty"`
	ClientAddress string         `json:"client_address" doc:"As the peer stated it in X-Forwarded-For, or that of the peer"`
	PeerAddress   string         `json:"peer_address" doc:"Who connected to the service: usually the gateway"`
	RequestID     string         `json:"request_id" doc:"The X-Request-Id of the request, which the service's log has too"`
}

// Filter selects entries. An empty field selects all.
type Filter struct {
	Action, Outcome, Actor, Target, ClientAddress string
	Since, Until                                  time.Time // Since is included, Until is not
	Before                                        string    // the id of an entry: only older ones
}

// List returns up to limit entries, newest first.
func (l *Log) List(ctx context.Context, f Filter, limit int) ([]View, error) {
	where, args := f.conditions(l.config.Service)
	args = append(args, limit)
	entries, err := sqldb.All(ctx, l.config.DB, scan, fmt.Sprintf(`SELECT id, at, action, outcome, actor, role, target, detail,
		client_address, peer_address, request_id FROM audit_log WHERE %s ORDER BY id DESC LIMIT $%d`, where, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list the audit log: %w", err)
	}
	return entries, nil
}

// conditions returns the filter as SQL. Only the conditions that are set are in it, so
// that the database can choose the index.
func (f Filter) conditions(service string) (string, []any) {
	where, args := []string{"service = $1"}, []any{service}
	and := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf("%s $%d", condition, len(args)))
	}
	for _, equal := range [][2]string{
		{"action", f.Action}, {"outcome", f.Outcome}, {"actor", f.Actor}, {"target", f.Target}, {"client_address", f.ClientAddress},
	} {
		if equal[1] != "" {
			and(equal[0]+" =", equal[1])
		}
	}
	if !f.Since.IsZero() {
		and("at >=", sqldb.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		and("at <", sqldb.Micros(f.Until))
	}
	if f.Before != "" {
		and("id <", f.Before)
	}
	return strings.Join(where, " AND "), args
}

func scan(r sqldb.Row) (v View, err error) {
	var at int64
	err = r.Scan(&v.ID, &at, &v.Action, &v.Outcome, &v.Actor, &v.Role, &v.Target, &v.Detail, &v.ClientAddress, &v.PeerAddress, &v.RequestID)
	v.At = timestamp.Of(sqldb.Time(at))
	return v, err
}
