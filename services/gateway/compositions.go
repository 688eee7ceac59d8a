package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/compose"
	"troupe/services/gateway/internal/config"
	"troupe/services/gateway/internal/upstream"
)

func newMissingParts() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_gateway_missing_parts_total", Help: "Parts that composed responses were sent without.",
	}, []string{"part"})
}

// composed composes the response to a request. It reports whether it has answered: a
// request that asks for nothing but the upstream's response is forwarded.
func (f *forwarder) composed(w http.ResponseWriter, r *http.Request, caller auth.Caller) bool {
	switch f.rule.Compose {
	case config.Overview:
		f.writeOverview(w, r, caller)
		return true
	case config.Order:
		return f.writeExpanded(w, r, caller)
	}
	return false
}

// latest is how many orders and payments an overview shows.
const latest = "5"

// writeOverview answers GET /me/overview. No part is more important than the others, so
// each may be missing.
func (f *forwarder) writeOverview(w http.ResponseWriter, r *http.Request, caller auth.Caller) {
	if caller.UserID == "" {
		httpapi.WriteProblem(w, r, errUnknownCaller)
		return
	}
	f.writeComposed(w, r, "", compose.Compose(r, nil, []compose.Part{
		f.part("profile", "users", "/users/me", nil, nil),
		// Without user_id an admin would get everybody's orders.
		f.part("orders", "orders", "/orders", url.Values{"limit": {latest}, "user_id": {caller.UserID}}, compose.Items),
		f.part("payments", "payments", "/payments", url.Values{"limit": {latest}}, compose.Items),
		f.part("notifications", "notifications", "/notifications", url.Values{"unread": {"true"}}, compose.Items),
	}))
}

// errUnknownCaller is the error of an overview for a token that the gateway has no keys to
// verify: it must know whose orders to ask for.
var errUnknownCaller = &fault.Error{
	Kind: fault.Unavailable, Code: "keys_unavailable", RetryAfter: 5 * time.Second,
	Message: "the token cannot be verified now; try again in a few seconds, or ask for the parts one by one",
}

// expansions are the values of the query parameter expand.
var expansions = []string{"payment", "notifications"}

// writeExpanded answers GET /orders/{id}?expand=... and reports whether there was
// something to expand.
func (f *forwarder) writeExpanded(w http.ResponseWriter, r *http.Request, caller auth.Caller) bool {
	if !f.composes(r) {
		return false // as most requests, without the cost of reading the query
	}
	query := r.URL.Query()
	names, err := expanded(query["expand"])
	if err != nil {
		httpapi.WriteProblem(w, r, err)
		return true
	}
	if !query.Has("expand") {
		return false // another parameter, with that word in it
	}
	query.Del("expand") // it is the gateway's: the service does not know it
	if len(names) == 0 {
		r.URL.RawQuery = query.Encode()
		return false
	}
	to := f.choose(caller, r)
	order := compose.Part{
		Name: "order", Upstream: to.Upstream,
		URL: &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()},
	}
	f.writeComposed(w, r, to.name, compose.Compose(r, &order, f.orderParts(names, f.parameterOf(r.URL.Path))))
	return true
}

// parameterOf returns the value of the route's only parameter in a path.
func (f *forwarder) parameterOf(path string) string {
	values := strings.Split(path, "/")
	for i, segment := range strings.Split(f.rule.Path, "/") {
		if strings.HasPrefix(segment, "{") && i < len(values) {
			return values[i]
		}
	}
	return ""
}

func (f *forwarder) orderParts(names []string, id string) (parts []compose.Part) {
	for _, name := range names {
		switch name {
		case "payment":
			parts = append(parts, f.part(name, "payments", "/payments", url.Values{"order_id": {id}}, compose.FirstItem))
		case "notifications":
			parts = append(parts, f.part(name, "notifications", "/notifications", url.Values{"order_id": {id}, "limit": {"100"}}, compose.Items))
		}
	}
	return parts
}

// expanded returns the names in the values of expand, each once.
func expanded(values []string) (names []string, err error) {
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "" || slices.Contains(names, name):
		case !slices.Contains(expansions, name):
			return nil, fault.New(fault.Invalid, "expand_unknown", "expand may have the values payment and notifications, separated by a comma; leave out the others").
				WithField("query.expand", "unknown value "+strconv.QuoteToASCII(name[:min(len(name), 40)]))
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

func (f *forwarder) part(name, service, path string, query url.Values, choose func([]byte) (json.RawMessage, error)) compose.Part {
	return compose.Part{
		Name: name, Upstream: f.routing.upstreams[service].Upstream, Timeout: f.PartTimeout, Select: choose,
		URL: &url.URL{Path: path, RawQuery: query.Encode()},
	}
}

// writeComposed writes the result of a composition whose base belongs to an upstream.
func (g *gateway) writeComposed(w http.ResponseWriter, r *http.Request, base string, result compose.Result) {
	switch {
	case result.Failed != nil:
		g.writeError(w, r, base, result.Failed)
		return
	case result.Whole != nil:
		writeWhole(w, result.Whole)
		return
	}
	h := w.Header()
	for _, m := range result.Missing {
		h.Add(compose.MissingParts, m.Part)
		g.missingParts.WithLabelValues(m.Part).Inc()
		g.logMissing(r.Context(), m)
	}
	h.Set("Content-Type", "application/json")
	httpapi.Protect(h)
	h.Set("Content-Length", strconv.Itoa(len(result.Body)))
	_, _ = w.Write(result.Body) // an error means that the client has gone
}

func (g *gateway) logMissing(ctx context.Context, m compose.Missing) {
	cause := ""
	if m.Cause != nil {
		cause = m.Cause.Error()
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "response without a part",
		slog.String("part", m.Part), slog.String("code", m.Code), slog.String("error", cause))
}

// writeWhole passes on a service's response.
func writeWhole(w http.ResponseWriter, res *upstream.Response) {
	h := w.Header()
	for name, values := range res.Header {
		if _, set := h[name]; !set {
			h[name] = values
		}
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body) // an error means that the client has gone
}
