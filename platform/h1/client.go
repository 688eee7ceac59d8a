// Package h1 is an HTTP/1.1 client for proxies: http.Transport hands every request to
// two other goroutines, which costs more CPU time than all else a proxy does. This
// client writes the request and reads the response in the caller's goroutine.
//
// It takes over the requests that make up nearly all traffic between the services and
// leaves the others to http.Transport: see Client.RoundTrip. The responses are parsed by
// net/http itself.
package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Client sends requests over kept connections. It is safe for concurrent use, and
// implements http.RoundTripper. Its fields must not be changed after the first request.
type Client struct {
	// Other sends the requests that Client does not, and dials the connections.
	// Its IdleConnTimeout, MaxIdleConnsPerHost and MaxResponseHeaderBytes apply, and must
	// be set. With its DisableKeepAlives each request gets a connection of its own.
	Other *http.Transport

	mu    sync.Mutex
	idle  map[string][]*connection // by host and port; the one used last is at the end
	swept time.Time                // when the idle connections were last looked through
}

// LongestBody is the longest request body, in bytes, that Client writes itself, before it
// reads the response. It is shorter than the socket's buffers.
const LongestBody = 16 << 10

// handles reports whether the client sends r itself: over plain HTTP, with a body that is
// short and can be read again, and without a switch of protocols or a wait for "100
// Continue".
func handles(r *http.Request) bool {
	hasBody := r.Body != nil && r.Body != http.NoBody
	return r.URL.Scheme == "http" && r.URL.Host != "" && r.Method != http.MethodConnect && len(r.Trailer) == 0 &&
		(!hasBody || r.GetBody != nil && 0 < r.ContentLength && r.ContentLength <= LongestBody) &&
		len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0 && len(r.TransferEncoding) == 0
}

// RoundTrip sends r and returns the response, as http.RoundTripper describes it. The
// response's body must be read to its end or closed. If a kept connection turns out to be
// closed before the first byte of a response, a request that may be repeated is sent once
// more on a new connection, as http.Transport does.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if !handles(r) {
		return c.Other.RoundTrip(r)
	}
	defer closeBody(r)
	ctx := r.Context()
	if c.Other.DisableKeepAlives && !r.Close {
		r = r.WithContext(ctx) // a copy: a RoundTripper must not change the caller's request
		r.Close = true
	}
	if kept := c.takeIdle(r.URL.Host); kept != nil {
		res, err := c.send(ctx, kept, r)
		if err == nil || ctx.Err() != nil || kept.received || !isRepeatable(r) {
			return res, err
		}
	}
	fresh, err := c.dial(ctx, r.URL.Host)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, fresh, r)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // it was in memory
	}
}

// isRepeatable reports whether r may be sent again when its outcome is unknown (RFC 9110,
// section 9.2.2); an idempotency key has the same effect.
func isRepeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return len(r.Header["Idempotency-Key"]) > 0
}

func (c *Client) dial(ctx context.Context, host string) (*connection, error) {
	address := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		address = net.JoinHostPort(host, "80")
	}
	conn, err := c.Other.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return newConnection(conn, host, c.Other.MaxResponseHeaderBytes), nil
}

var errSwitched = errors.New("h1: the server switched protocols without a request to do so")

// send makes one exchange on a connection. When ctx ends, all reads and writes of the
// exchange end, also those of the response's body.
func (c *Client) send(ctx context.Context, on *connection, r *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(ctx, on.abort)
	res, err := on.exchange(r)
	if err == nil && res.StatusCode == http.StatusSwitchingProtocols {
		err = errSwitched
	}
	if err != nil {
		stop()
		_ = on.Close() // it is unusable anyway
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	done := func(complete bool) {
		if stop() && complete && !res.Close && !r.Close {
			c.keep(on)
			return
		}
		_ = on.Close() // nothing more is expected from it
	}
	if res.Body == http.NoBody || r.Method == http.MethodHead {
		done(true)
		return res, nil
	}
	res.Body = &body{ReadCloser: res.Body, done: done}
	return res, nil
}

// body returns its connection when it has been read to its end.
type body struct {
	io.ReadCloser
	once sync.Once
	done func(complete bool)
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(func() { b.done(err == io.EOF) })
	}
	return n, err
}

// Close ends the connection if the body was not read to its end.
func (b *body) Close() error {
	b.once.Do(func() { b.done(false) })
	return nil
}

// takeIdle returns an idle connection that is still open, or nil.
func (c *Client) takeIdle(host string) *connection {
	for {
		on := c.pop(host)
		switch {
		case on == nil:
			return nil
		case time.Since(on.idleSince) < c.Other.IdleConnTimeout && on.isOpen():
			return on
		}
		_ = on.Close() // the server has closed it, or is about to
	}
}

func (c *Client) pop(host string) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle := c.idle[host]
	if len(idle) == 0 {
		return nil
	}
	last := idle[len(idle)-1]
	idle[len(idle)-1] = nil
	c.idle[host] = idle[:len(idle)-1]
	return last
}

// keep adds a connection to the idle ones, and closes those that are too many or have
// been idle for too long, also those to servers that have gone.
func (c *Client) keep(on *connection) {
	on.idleSince = time.Now()
	for _, surplus := range c.add(on) {
		_ = surplus.Close() // it is idle
	}
}

// add adds a connection to the idle ones and returns those to close.
func (c *Client) add(on *connection) (surplus []*connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle = map[string][]*connection{}
	}
	idle := append(c.idle[on.host], on)
	if len(idle) > c.Other.MaxIdleConnsPerHost {
		surplus, idle = append(surplus, idle[0]), slices.Delete(idle, 0, 1)
	}
	c.idle[on.host] = idle
	if on.idleSince.Sub(c.swept) > c.Other.IdleConnTimeout {
		c.swept = on.idleSince
		surplus = append(surplus, c.takeExpired(on.idleSince)...)
	}
	return surplus
}

// takeExpired takes the connections that have been idle for too long.
func (c *Client) takeExpired(now time.Time) (expired []*connection) {
	for host, idle := range c.idle { // the oldest come first
		n := 0
		for n < len(idle) && now.Sub(idle[n].idleSince) > c.Other.IdleConnTimeout {
			n++
		}
		expired = append(expired, idle[:n]...)
		if c.idle[host] = slices.Delete(idle, 0, n); len(c.idle[host]) == 0 {
			delete(c.idle, host)
		}
	}
	return expired
}

// CloseIdleConnections closes the connections that no request uses now.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, connections := range idle {
		for _, on := range connections {
			_ = on.Close() // it is idle
		}
	}
	c.Other.CloseIdleConnections()
}
