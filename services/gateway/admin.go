package gateway

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/patterns/breaker"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
)

// adminPrefix begins the paths of the gateway's own operations for admins.
const adminPrefix = "/admin/"

// serveAdmin adds the operations with which an admin sees and forces circuit breakers.
func (g *gateway) serveAdmin(api *httpapi.API) {
	admin := httpapi.RequireRole(auth.Admin)
	httpapi.Get(api, adminPrefix+"breakers", g.listBreakers, admin, httpapi.Summary("List the circuit breakers"))
	httpapi.Get(api, adminPrefix+"breakers/{upstream}", g.getBreaker, admin, httpapi.Summary("Show a circuit breaker"))
	httpapi.Put(api, adminPrefix+"breakers/{upstream}", g.forceBreaker, admin, httpapi.Summary("Force a circuit breaker open or closed"))
}

type breakerView struct {
	Upstream string         `json:"upstream" example:"orders"`
	State    string         `json:"state" enum:"CLOSED,OPEN,HALF_OPEN" doc:"OPEN remains until the next call, even when the recovery time is over"`
	Forced   bool           `json:"forced" doc:"An admin keeps it in this state"`
	Since    timestamp.Time `json:"since,omitzero" doc:"When the state was entered; absent if it never changed"`
	Calls    int            `json:"calls" doc:"In the window of the last ten seconds, as are failures and slow"`
	Failures int            `json:"failures"`
	Slow     int            `json:"slow"`
	Streak   int            `json:"streak" doc:"Failures since the last success"`
	Probes   int            `json:"probes" doc:"In flight"`
	Refused  uint64         `json:"refused" doc:"Calls refused since the gateway started"`
	History  []breakerMove  `json:"history" doc:"Up to 32 changes, the latest first"`
}

type breakerMove struct {
	From   string         `json:"from" enum:"CLOSED,OPEN,HALF_OPEN"`
	To     string         `json:"to" enum:"CLOSED,OPEN,HALF_OPEN"`
	Forced bool           `json:"forced"`
	At     timestamp.Time `json:"at"`
	Reason string         `json:"reason" example:"10 failures in a row"`
}

func viewOf(upstream string, b *breaker.Breaker) breakerView {
	s, history := b.Snapshot(), b.History()
	v := breakerView{
		Upstream: upstream, State: s.State.String(), Forced: s.Forced, Since: timestamp.Of(s.Since),
		Calls: s.Calls, Failures: s.Failures, Slow: s.Slow, Streak: s.Streak, Probes: s.Probes, Refused: s.Refused,
		History: make([]breakerMove, len(history)),
	}
	for i, c := range history {
		v.History[i] = breakerMove{From: c.From.String(), To: c.To.String(), Forced: c.Forced, At: timestamp.Of(c.At), Reason: c.Reason}
	}
	return v
}

type breakerList struct {
	Items []breakerView `json:"items"`
}

type breakersResponse struct{ Body breakerList }

func (g *gateway) listBreakers(context.Context, *struct{}) (*breakersResponse, error) {
	upstreams := g.routing.Load().upstreams
	list := breakerList{Items: []breakerView{}}
	for _, name := range slices.Sorted(maps.Keys(upstreams)) {
		list.Items = append(list.Items, viewOf(name, upstreams[name].Breaker()))
	}
	return &breakersResponse{list}, nil
}

type getBreakerRequest struct {
	httpapi.ConditionalGet
	Upstream string `path:"upstream" maxLength:"100"`
}

type breakerResponse struct {
	ETag httpapi.ETag `header:"ETag"`
	Body breakerView
}

// responseOf returns the response about a breaker. If-Match looks only at what an admin
// decides: a breaker that has opened meanwhile can still be forced.
func responseOf(v breakerView) *breakerResponse {
	decided := ""
	if v.Forced {
		decided = v.State
	}
	return &breakerResponse{httpapi.ETagOf([]string{v.Upstream, decided}, v), v}
}

func (g *gateway) getBreaker(_ context.Context, in *getBreakerRequest) (*breakerResponse, error) {
	u, err := g.upstream(in.Upstream)
	if err != nil {
		return nil, err
	}
	return responseOf(viewOf(in.Upstream, u.Breaker())), nil
}

func (g *gateway) upstream(name string) (*managedUpstream, error) {
	if u := g.routing.Load().upstreams[name]; u != nil {
		return u, nil
	}
	return nil, fault.Missing("upstream", name, "GET /admin/breakers lists them")
}

type forceBreakerRequest struct {
	httpapi.Conditional
	Upstream      string `path:"upstream" maxLength:"100"`
	Authorization string `header:"Authorization" hidden:"true"`
	ForwardedFor  string `header:"X-Forwarded-For" hidden:"true"` // which the gateway has set
	Body          breakerForce
}

type breakerForce struct {
	State  string `json:"state" enum:"forced_open,forced_closed,auto" doc:"forced_open refuses all calls, forced_closed lets all pass, auto ends either"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the history and the log" example:"orders moves to another database"`
	// Seconds is for how long.
	Seconds int `json:"seconds,omitempty" minimum:"1" maximum:"3600" doc:"When auto follows by itself; never if it is left out"`
}

// forceBreaker keeps a breaker open or closed, or releases it. A replica of the gateway
// forces its own breaker alone.
func (g *gateway) forceBreaker(ctx context.Context, in *forceBreakerRequest) (*breakerResponse, error) {
	g.forcing.Lock()
	defer g.forcing.Unlock()
	u, err := g.upstream(in.Upstream)
	if err != nil {
		return nil, err
	}
	if err := in.Check(responseOf(viewOf(in.Upstream, u.Breaker())).ETag); err != nil {
		return nil, err
	}
	if err := g.audit.record(ctx, caller{in.Authorization, in.ForwardedFor}, app.AuditedAction{Action: "force_breaker", Target: in.Upstream, Detail: in.Body.State}); err != nil {
		return nil, err
	}
	if u, err = g.upstream(in.Upstream); err != nil { // a reload may have replaced it meanwhile
		return nil, err
	}
	reason := "set to " + in.Body.State + " by " + auth.CallerOf(ctx).UserID
	if in.Body.Reason != "" {
		reason += ": " + in.Body.Reason
	}
	switch b := u.Breaker(); in.Body.State {
	case "forced_open":
		b.Force(breaker.Open, reason)
	case "forced_closed":
		b.Force(breaker.Closed, reason)
	default:
		b.Release(reason)
	}
	g.releaseLater(u.Breaker(), in.Body)
	g.log.LogAttrs(ctx, slog.LevelWarn, "circuit breaker set by an admin", slog.String("upstream", in.Upstream),
		slog.String("state", in.Body.State), slog.String("admin", auth.CallerOf(ctx).UserID), slog.String("reason", in.Body.Reason))
	return responseOf(viewOf(in.Upstream, u.Breaker())), nil
}

// releaseLater ends a state that is forced for a time, unless an admin has decided again
// meanwhile.
func (g *gateway) releaseLater(b *breaker.Breaker, force breakerForce) {
	if force.Seconds == 0 || force.State == "auto" {
		return
	}
	forced := b.Snapshot().Generation
	g.after(time.Duration(force.Seconds)*time.Second, func() {
		if b.Snapshot().Generation == forced {
			b.Release("the time for which it was forced is over")
		}
	})
}

// keepForced forces the breakers of upstreams that a reload has replaced, as the admin had
// forced the ones before.
func (r *routing) keepForced(before *routing) {
	if before == nil {
		return
	}
	for name, u := range r.upstreams {
		old := before.upstreams[name]
		if old == nil || old == u {
			continue
		}
		if s := old.Breaker().Snapshot(); s.Forced {
			u.Breaker().Force(s.State, "kept over a reload: "+old.Breaker().History()[0].Reason)
		}
	}
}

// isOwn reports whether the gateway itself answers, at a cost. Probes are not counted.
func isOwn(path string) bool {
	return strings.HasPrefix(path, adminPrefix) || path == "/metrics" || path == "/openapi.json" ||
		path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// admitOwn takes a token of the limits by address for an operation or a page of the
// gateway itself. It reports whether the request may go on, and has answered it if not.
func (g *gateway) admitOwn(w http.ResponseWriter, r *http.Request) bool {
	if !isOwn(r.URL.Path) {
		return true
	}
	var left quotas
	limits := g.routing.Load().admin
	err := g.admit(limits.byAddress, "", clientAddress(r), &left)
	left.write(w.Header(), limits.policy)
	if err != nil {
		httpapi.WriteProblem(w, withRequestID(w, r), err)
	}
	return err == nil
}
