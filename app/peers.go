package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"troupe/platform/ascii"
	"troupe/platform/h1"
)

// ListenAddress returns where the service listens: NAME_LISTEN, or the service's own
// port on the loopback interface.
func (s Service) ListenAddress(environ map[string]string) string {
	if address := environ[ascii.Upper(s.Name)+"_LISTEN"]; address != "" {
		return address
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
}

// metricsAddress returns where the service's metrics are served: NAME_METRICS_LISTEN, or
// "" for its own port.
func (s Service) metricsAddress(environ map[string]string) string {
	return environ[ascii.Upper(s.Name)+"_METRICS_LISTEN"]
}

// hidesDocs reports whether the service serves neither /docs nor /openapi.json, by
// NAME_DOCS.
func (s Service) hidesDocs(environ map[string]string) (bool, error) {
	name := ascii.Upper(s.Name) + "_DOCS"
	value := environ[name]
	if value == "" {
		return false, nil
	}
	shown, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s is %q: it must be true or false", name, value)
	}
	return !shown, nil
}

// URL returns the base URL at which others reach the service: NAME_URL, or the
// service's own port on this host.
func (s Service) URL(environ map[string]string) string {
	if url := environ[ascii.Upper(s.Name)+"_URL"]; url != "" {
		return strings.TrimSuffix(url, "/")
	}
	return s.scheme(environ) + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
}

// scheme returns https if the service has a certificate (NAME_TLS_CERT), else http.
func (s Service) scheme(environ map[string]string) string {
	if environ[ascii.Upper(s.Name)+"_TLS_CERT"] != "" {
		return "https"
	}
	return "http"
}

// peers returns the base URL of every service by its name.
func peers(all []Service, environ map[string]string) map[string]string {
	urls := make(map[string]string, len(all))
	for _, s := range all {
		urls[s.Name] = s.URL(environ)
	}
	return urls
}

// transport sends requests to the services. It keeps enough idle connections to each
// for a busy gateway: with the standard two per host, every burst would open new ones.
//
// A host name may stand for several replicas, each with an address of its own. A
// connection goes to one of them at random and ends after about a thousand requests,
// so that replicas that were added later get their share; the busier the system, the
// sooner.
type transport struct {
	h1.Client
	last   func() bool  // reports whether a request is the last of its connection
	left   atomic.Int64 // when a replica was last seen to drain, in Unix nanoseconds
	lookup func(ctx context.Context, host string) ([]string, error)

	mu     sync.Mutex
	others map[time.Duration]*transport // that keep connections for another time
}

// keeping returns the transport that keeps a connection for at most so long after a
// response; 0 makes one for each request. There is one for each length of time.
func (t *transport) keeping(keepAlive time.Duration) http.RoundTripper {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.others[keepAlive] == nil {
		if t.others == nil {
			t.others = map[time.Duration]*transport{}
		}
		other := newTransport(t.lookup)
		other.Other.IdleConnTimeout, other.Other.DisableKeepAlives = keepAlive, keepAlive == 0
		t.others[keepAlive] = other
	}
	return t.others[keepAlive]
}

// CloseIdleConnections closes the connections that no request uses now.
func (t *transport) CloseIdleConnections() {
	t.Client.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.others {
		other.CloseIdleConnections()
	}
}

func newTransport(lookup func(ctx context.Context, host string) ([]string, error)) *transport {
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	dialer := &net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}
	return &transport{last: oneInAThousand, lookup: lookup, Client: h1.Client{Other: &http.Transport{
		DialContext:         replicaDialer{lookup, dialer.DialContext}.dial,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     45 * time.Second,
		// A body announced with Expect is sent after this even if the peer does not answer.
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what a peer sends is passed on unchanged
	}}}
}

func oneInAThousand() bool { return rand.IntN(1000) == 0 }

// RoundTrip sends r and returns the response.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	own := t.last()
	if own {
		r = r.WithContext(r.Context()) // a copy: a RoundTripper must not change the caller's request
		r.Close = true
	}
	response, err := t.Client.RoundTrip(r)
	switch {
	case err != nil || !response.Close:
	case own:
		response.Close = false // it was asked for, and has no meaning for the replica
	case !r.Close:
		t.closeIdleAfterDrain()
	}
	return response, err
}

// closeIdleAfterDrain closes all idle connections, at most ten times a second. A
// response that ends its connection may come from a replica that drains, and requests
// on the other connections to it would fail when it ends.
func (t *transport) closeIdleAfterDrain() {
	now, left := time.Now().UnixNano(), t.left.Load()
	if now-left > int64(100*time.Millisecond) && t.left.CompareAndSwap(left, now) {
		t.Client.CloseIdleConnections()
	}
}

// replicaDialer dials the addresses of a host in random order until one answers.
type replicaDialer struct {
	lookup  func(ctx context.Context, host string) ([]string, error)
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

func (r replicaDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := r.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err} // the error that the standard dialer returns
	}
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	var refusals []error
	for _, a := range addresses {
		connection, err := r.connect(ctx, network, net.JoinHostPort(a, port))
		if err == nil {
			return connection, nil
		}
		refusals = append(refusals, err)
	}
	return nil, errors.Join(refusals...)
}
