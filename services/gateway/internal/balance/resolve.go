package balance

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// origin is a configured target: an address, or a name with the addresses that it stands
// for.
type origin struct {
	base    *url.URL
	port    string
	fixed   bool // never looked up
	targets []*Target

	due      time.Time // of the next look-up
	resolved bool
	failing  bool // the last look-up failed
}

// newOrigin returns the origin at base. An address is fixed, and so is "localhost", whose
// addresses are one server. So is a name with https: a certificate is valid for the name.
func newOrigin(base *url.URL) *origin {
	o := &origin{base: base, port: base.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	_, err := netip.ParseAddr(base.Hostname())
	o.fixed = err == nil || base.Scheme != "http" || base.Hostname() == "localhost"
	return o
}

func lookup(ctx context.Context, host string) ([]string, error) {
	return net.DefaultResolver.LookupHost(ctx, host)
}

// longestLookup limits one look-up.
const longestLookup = 2 * time.Second

// resolve looks up the names that are due, one after the other: there is rarely more than
// one.
func (b *Balancer) resolve(ctx context.Context) {
	for _, o := range b.dueOrigins() {
		addresses, err := b.lookUp(ctx, o.base.Hostname())
		b.mu.Lock()
		b.update(o, addresses, err)
		b.mu.Unlock()
	}
}

// dueOrigins returns the names to look up now.
func (b *Balancer) dueOrigins() (due []*origin) {
	now := b.config.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.origins {
		if !o.fixed && !now.Before(o.due) {
			o.due = now.Add(b.config.Resolve)
			due = append(due, o)
		}
	}
	return due
}

// Leaving records that a target ended or refused its connection, as one does that is about
// to stop or has: a step looks up the names and checks the health of all targets soon. One
// of the others may just have come back.
func (b *Balancer) Leaving() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.pool.Load().all {
		t.checkDue = time.Time{}
	}
	b.lookUpSoon()
}

// lookUpSoon has all names looked up soon: a target that fails may be gone. It wakes the
// worker at most twice a second, because some servers end every connection. The caller
// holds the lock.
func (b *Balancer) lookUpSoon() {
	for _, o := range b.origins {
		o.due = time.Time{}
	}
	if now := b.config.Now(); now.Sub(b.woken) >= betweenWakes {
		b.woken = now
		b.config.Wake()
	}
}

const (
	betweenWakes = 500 * time.Millisecond
	// longestFind limits how long FindOther makes a request wait.
	longestFind = 500 * time.Millisecond
	// betweenFinds is the shortest time between two look-ups by FindOther.
	betweenFinds = 100 * time.Millisecond
)

// FindOther reports whether there is a target that was not tried, sick ones included. If
// there is none in use, it looks the names up first: a target that refuses connections may
// have been replaced.
func (b *Balancer) FindOther(ctx context.Context, tried []*Target) bool {
	if b.HasOther(tried) {
		return true
	}
	b.find(ctx)
	return slices.ContainsFunc(b.current().all, func(t *Target) bool { return !slices.Contains(tried, t) })
}

// find looks up all names, for one request on behalf of all that wait for it.
func (b *Balancer) find(ctx context.Context) {
	b.finding.Lock()
	defer b.finding.Unlock()
	if b.config.Now().Sub(b.lookedUp) < betweenFinds {
		return
	}
	b.mu.Lock()
	b.lookUpSoon()
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, longestFind)
	defer cancel()
	b.resolve(ctx)
	b.lookedUp = b.config.Now() // the end, so that those who waited do not look up again
}

func (b *Balancer) lookUp(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, longestLookup)
	defer cancel()
	addresses, err := b.config.Lookup(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), err
}

// update gives an origin the addresses of a look-up. Targets that it had before keep
// their state. The caller holds the lock.
func (b *Balancer) update(o *origin, addresses []string, err error) {
	if err != nil {
		if !o.failing {
			b.config.Log.Warn("a look-up failed; the addresses known before stay in use", "upstream", b.config.Name, "host", o.base.Hostname(), "error", err)
		}
		o.failing = true
		return
	}
	o.failing = false
	var next []*Target
	for _, a := range addresses {
		next = append(next, b.target(o, net.JoinHostPort(a, o.port)))
	}
	if o.resolved && slices.Equal(next, o.targets) {
		return
	}
	for _, gone := range o.targets {
		if !slices.Contains(next, gone) {
			b.metrics.picks.DeleteLabelValues(gone.Address)
		}
	}
	o.targets, o.resolved = next, true
	b.rebuild()
}

// target returns the origin's target at an address, which may be a new one.
func (b *Balancer) target(o *origin, address string) *Target {
	for _, t := range o.targets {
		if t.Address == address {
			return t
		}
	}
	return newTarget(o.base, address, b.metrics.picks.WithLabelValues(address))
}
