package gateway

import (
	"hash/fnv"
	"io"
	"net/http"

	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/config"
)

// targets are the upstreams of one route.
type targets struct {
	main  *managedUpstream
	split []share
}

// share is an upstream that gets the callers whose percentile is below a limit, and not
// below that of the share before it.
type share struct {
	below uint64
	to    *managedUpstream
}

func newTargets(r *routing, rule config.Route) targets {
	t := targets{main: r.upstreams[rule.Upstream]}
	var below uint64
	for _, s := range rule.Split {
		below += uint64(s.Percent)
		t.split = append(t.split, share{below, r.upstreams[s.Upstream]})
	}
	return t
}

// choose returns the upstream for a caller, who gets the same one with every request and
// on every route of the same main upstream: a customer should not see two versions by
// turns.
func (f *forwarder) choose(caller auth.Caller, r *http.Request) *managedUpstream {
	if len(f.targets.split) == 0 {
		return f.targets.main
	}
	at := percentile(f.targets.main.name, f.identify(caller, r))
	for _, s := range f.targets.split {
		if at < s.below {
			return s.to
		}
	}
	return f.targets.main
}

// identify returns the caller's user id, or its address if it has no valid token.
func (g *gateway) identify(caller auth.Caller, r *http.Request) string {
	if caller.UserID != "" {
		return caller.UserID
	}
	if token, err := httpapi.BearerToken(r.Header); err == nil && token != "" {
		if caller, err := g.verifier.Verify(r.Context(), token); err == nil {
			return caller.UserID
		}
	}
	return r.Header.Get("X-Forwarded-For") // the gateway has set it
}

// percentile returns a number from 0 to 99, the same for the same arguments in every
// process, and spread evenly over callers.
func percentile(upstream, caller string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, upstream+"\x00"+caller)
	// FNV alone spreads short strings unevenly; this is the finalizer of MurmurHash3.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x % 100
}
