package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/ratelimit"
	"troupe/platform/clientaddr"
	"troupe/platform/fault"
	"troupe/services/gateway/internal/config"
)

// rateLimit is a rate limit of the configuration with its token buckets.
type rateLimit struct {
	name    string
	config  config.Limit
	buckets *ratelimit.Limiter[bucketKey]
	policy  string // its item in RateLimit-Policy
	refusal *fault.Error
}

// bucketKey is who has a token bucket: a user, or an address.
type bucketKey struct {
	user    string
	address netip.Addr
}

// rateLimits are those that count the requests of one route.
type rateLimits struct {
	byAddress, byUser []*rateLimit
	policy            string // RateLimit-Policy
}

func newRateLimited() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_gateway_rate_limited_total", Help: "Requests refused by a rate limit, by its name.",
	}, []string{"limit"})
}

// newLimits adds the rate limits of the configuration. It keeps those of before that are
// the same, with the buckets of all users.
func (g *gateway) newLimits(r, before *routing, now func() time.Time) {
	r.limits = map[string]*rateLimit{}
	if !g.RateLimits {
		return
	}
	for name, c := range r.config.Limits {
		if before != nil && before.limits[name] != nil && reflect.DeepEqual(before.limits[name].config, c) {
			r.limits[name] = before.limits[name]
			continue
		}
		r.limits[name] = newRateLimit(name, c, now)
	}
}

func newRateLimit(name string, c config.Limit, now func() time.Time) *rateLimit {
	window := max(int((float64(c.Burst)+c.Rate-1)/c.Rate), 1)
	return &rateLimit{
		name: name, config: c,
		buckets: ratelimit.New[bucketKey](ratelimit.Config{Rate: c.Rate, Burst: c.Burst, Now: now}),
		policy:  fmt.Sprintf("%q;q=%d;w=%d", name, c.Burst, window),
		refusal: fault.New(fault.TooManyRequests, "rate_limited",
			"the limit %q allows each %s %d requests at once and %v a second after that; send the request again after the time in Retry-After",
			name, c.Key, c.Burst, c.Rate),
	}
}

// limitsOf returns the rate limits of a route.
func (r *routing) limitsOf(rule config.Route) (of rateLimits) {
	for _, name := range slices.Sorted(maps.Keys(r.limits)) {
		l := r.limits[name]
		everywhere := l.config.Everywhere && (l.config.Key == config.ByAddress || rule.Access != config.Public)
		if !everywhere && !slices.Contains(rule.Limits, name) {
			continue
		}
		if of.policy != "" {
			of.policy += ", "
		}
		of.policy += l.policy
		if l.config.Key == config.ByUser {
			of.byUser = append(of.byUser, l)
		} else {
			of.byAddress = append(of.byAddress, l)
		}
	}
	return of
}

// quotas is the RateLimit header of one response, as it grows.
type quotas struct {
	text   [256]byte
	length int
}

// add adds what is left of a limit.
func (q *quotas) add(l *rateLimit, d ratelimit.Decision) {
	text := q.text[:q.length]
	if q.length > 0 {
		text = append(text, ", "...)
	}
	text = strconv.AppendQuote(text, l.name)
	text = append(text, ";r="...)
	text = strconv.AppendInt(text, int64(d.Remaining), 10)
	text = append(text, ";t="...)
	text = strconv.AppendInt(text, int64((d.Full+time.Second-1)/time.Second), 10)
	if len(text) <= len(q.text) {
		q.length = len(text) // else the array was too short, and the header leaves this limit out
	}
}

// write sets the headers RateLimit-Policy and RateLimit
// (draft-ietf-httpapi-ratelimit-headers-10): for each limit the quota and its window, and
// what remains of it and when it is complete again.
func (q *quotas) write(h http.Header, policy string) {
	if q.length == 0 {
		return
	}
	values := [...]string{policy, string(q.text[:q.length])} // one allocation for both
	h["Ratelimit-Policy"] = values[0:1:1]
	h["Ratelimit"] = values[1:2:2]
}

// admit takes a token from each limit's bucket: that of the user if one is given, else
// that of the client's address. It returns a problem if a bucket is empty.
func (g *gateway) admit(limits []*rateLimit, user string, client netip.Addr, q *quotas) error {
	for _, l := range limits {
		key := bucketKey{user: user}
		if user == "" {
			if isWithin(client, l.config.Except) {
				continue
			}
			key.address = clientaddr.Network(client)
		}
		d := l.buckets.Take(key)
		q.add(l, d)
		if !d.Allowed {
			g.rateLimited.WithLabelValues(l.name).Inc()
			refusal := *l.refusal
			refusal.RetryAfter = d.RetryAfter
			return &refusal
		}
	}
	return nil
}

// clientAddress returns the address of the client, which ServeHTTP has set.
func clientAddress(r *http.Request) netip.Addr {
	values := r.Header["X-Forwarded-For"]
	if len(values) == 0 {
		return netip.Addr{}
	}
	return clientaddr.Parse(values[0])
}

func isWithin(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}
