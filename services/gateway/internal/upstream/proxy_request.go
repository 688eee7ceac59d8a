package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"troupe/patterns/breaker"
)

// proxyRequest holds the state of one forwarded request, in one allocation.
type proxyRequest struct {
	u  *Upstream
	w  http.ResponseWriter
	in *http.Request
	// idempotent: the service deduplicates this POST by its Idempotency-Key.
	idempotent bool

	url      url.URL
	body     clientBody
	buffer   *[bufferSize]byte // of the response
	ctx      context.Context
	timer    timer     // ends ctx; runs for the response of an attempt, then for each part of it
	deadline time.Time // by which the response must have begun
}

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func newProxyRequest(u *Upstream, w http.ResponseWriter, in *http.Request, idempotent bool) *proxyRequest {
	x := &proxyRequest{u: u, w: w, in: in, idempotent: idempotent}
	x.url = url.URL{
		Scheme: u.config.Base.Scheme, Host: u.config.Base.Host,
		Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery,
	}
	x.ctx, x.timer.cancel = context.WithCancelCause(in.Context())
	x.body.init(x)
	return x
}

// close releases everything. The parts of the client's body that the transport may still
// hold are left to the garbage collector.
func (x *proxyRequest) close() {
	x.timer.stop()
	x.timer.cancel(nil)
	x.body.close()
	if x.buffer != nil {
		buffers.Put(x.buffer)
	}
}

// timeLeft returns the time until the response must have begun. It uses the real time,
// because the deadlines of connections do.
func (x *proxyRequest) timeLeft() time.Duration { return time.Until(x.deadline) }

// attempt sends the request once. It returns the permit to the breaker, also if the
// transport panics.
func (x *proxyRequest) attempt(permit breaker.Permit) (*http.Response, *failure) {
	outcome, began := breaker.Ignored, x.u.config.Now()
	defer func() { x.u.breaker.Done(permit, outcome) }()
	res, err := x.roundTrip()
	took := x.u.config.Now().Sub(began)
	var f *failure
	if err != nil {
		f = x.classify(err)
		outcome = f.outcome
	} else {
		outcome = x.outcomeOf(res.StatusCode, took)
	}
	x.u.metrics.observe(outcome, took)
	return res, f
}

// outcomeOf returns what a response means for the service's health. An error of the
// client (4xx) counts as a success of the service.
func (x *proxyRequest) outcomeOf(status int, took time.Duration) breaker.Outcome {
	switch {
	case status == http.StatusInternalServerError, isTemporary(status):
		return breaker.Failure
	case took >= x.u.config.SlowTry && !x.body.streams: // a streamed body may be slow because the client is
		return breaker.Slow
	}
	return breaker.Success
}

var errSwitched = errors.New("the service switched protocols without a request to do so")

// roundTrip waits for the headers of the response, and for all of a small one: then
// nothing can fail after the client has received the first byte.
func (x *proxyRequest) roundTrip() (*http.Response, error) {
	x.timer.start(errTryTimeout, min(x.u.config.Try, x.timeLeft()))
	res, err := x.u.config.Transport.RoundTrip(x.outbound())
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		err = errSwitched
	} else {
		err = x.readSmallResponse(res)
	}
	x.timer.stop()
	if err != nil {
		_ = res.Body.Close() // the response is abandoned anyway
		return nil, err
	}
	return res, nil
}

func (x *proxyRequest) outbound() *http.Request {
	out := x.in.WithContext(x.ctx)
	out.URL, out.Host, out.RequestURI, out.Close = &x.url, x.url.Host, "", false
	out.Body, out.GetBody = x.body.reader()
	out.Trailer = nil // an intermediary may drop a request's trailers, and no service reads them
	return out
}

// readSmallResponse reads a response of known, small length completely.
func (x *proxyRequest) readSmallResponse(res *http.Response) error {
	length := res.ContentLength
	if x.in.Method == http.MethodHead || length <= 0 || length > bufferSize {
		return nil
	}
	if x.buffer == nil {
		x.buffer = buffers.Get().(*[bufferSize]byte)
	}
	if _, err := io.ReadFull(res.Body, x.buffer[:length]); err != nil {
		return err
	}
	err := res.Body.Close()
	res.Body = nil // it is in x.part
	return err
}

// drain abandons a response. It keeps the connection only if little of it is unread.
func drain(res *http.Response) {
	if res == nil || res.Body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	_ = res.Body.Close() // the response is abandoned anyway
}
