package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"troupe/patterns/breaker"
	"troupe/platform/httpapi"
	"troupe/platform/telemetry"
	"troupe/services/gateway/internal/balance"
)

// proxyRequest holds the state of one forwarded request, in one allocation.
type proxyRequest struct {
	u     *Upstream
	w     http.ResponseWriter
	in    *http.Request
	rules Rules

	client   netip.Addr // whose body it is
	isReader bool       // counts as a reader of client's
	hasSlot  bool       // counts as in flight

	span    *telemetry.Span // of the present attempt; nil if it is not recorded
	tried   tried
	tries   int
	target  *balance.Target // of the present attempt; nil between attempts
	permit  breaker.Permit  // of the present attempt; zero between attempts
	outcome breaker.Outcome // of the present attempt

	url      url.URL
	body     clientBody
	buffer   *[bufferSize]byte // of the response
	ctx      context.Context
	timer    timer     // ends ctx; runs for the response of an attempt, then for each part of it
	deadline time.Time // by which the response must have begun
	wait     [1]string // value of the header that announces it, of the first attempt
}

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func newProxyRequest(u *Upstream, w http.ResponseWriter, in *http.Request, rules Rules) *proxyRequest {
	x := &proxyRequest{u: u, w: w, in: in, rules: rules}
	x.url = url.URL{Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery}
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
	x.u.breaker.Done(x.permit, breaker.Ignored) // a panic in the transport has left it
	x.span.End()
	x.releaseTarget()
	x.releaseReader()
	x.releaseSlot()
	if x.buffer != nil {
		buffers.Put(x.buffer)
	}
}

func (x *proxyRequest) releaseReader() {
	if x.isReader {
		x.u.config.Readers.Release(x.client)
		x.isReader = false
	}
}

func (x *proxyRequest) releaseSlot() {
	if x.hasSlot {
		x.u.slots.Release(x.body.streams)
		x.hasSlot = false
	}
}

// timeLeft returns the time until the response must have begun. It uses the real time,
// because the deadlines of connections do.
func (x *proxyRequest) timeLeft() time.Duration { return time.Until(x.deadline) }

// attempt sends the request once, to the target of this attempt.
func (x *proxyRequest) attempt() (*http.Response, *failure) {
	x.startSpan()
	began := x.u.config.Now()
	res, err := x.roundTrip()
	took := x.u.config.Now().Sub(began)
	var f *failure
	if err != nil {
		f = x.classify(err)
		x.outcome = f.outcome
	} else {
		x.outcome = x.outcomeOf(res, took)
	}
	x.u.metrics.observe(x.outcome, took)
	x.adapt(res, f, took)
	x.report(res, f)
	x.endSpan(res, f)
	return res, f
}

// adapt reports to the limit of requests in flight what the attempt shows about the load. A
// quick error shows nothing, nor does a body that the client sends at its own pace.
func (x *proxyRequest) adapt(res *http.Response, f *failure, took time.Duration) {
	switch {
	case x.body.streams:
	case f != nil && f.Code == codeTimeout, x.outcome == breaker.Success, x.outcome == breaker.Slow:
		x.u.slots.Observe(took)
	case res != nil && isOverload(res):
		x.u.slots.Shed()
	}
}

// outcomeOf returns what a response means for the service's health. An error of the
// client (4xx) counts as a success of the service. A service that sheds load does not
// count: it is well enough to say when it can do more, and an open circuit would refuse
// also what it can do.
func (x *proxyRequest) outcomeOf(res *http.Response, took time.Duration) breaker.Outcome {
	switch status := res.StatusCode; {
	case isShed(res) && took < x.u.config.SlowTry:
		return breaker.Ignored
	case status == http.StatusInternalServerError, isTemporary(status):
		return breaker.Failure
	case took >= x.u.config.SlowTry && !x.body.streams: // a streamed body may be slow because the client is
		return breaker.Slow
	}
	return breaker.Success
}

// roundTrip waits for the headers of the response, and for all of a small one: then
// nothing can fail after the client has received the first byte.
func (x *proxyRequest) roundTrip() (*http.Response, error) {
	x.timer.start(errTryTimeout, min(x.u.config.Try, x.timeLeft()))
	res, err := x.u.config.Transport.RoundTrip(x.outbound())
	if err != nil {
		x.timer.stop() // the next attempt has a time of its own
		return nil, err
	}
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		err = x.checkSwitch(res)
	case res.StatusCode < http.StatusOK: // to pass it on would be a panic
		err = fmt.Errorf("%q is no status of a response", res.Status)
	default:
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
	out.URL, out.RequestURI, out.Close = &x.url, "", false
	if x.tries > 1 { // the transport may still read those of the attempt before
		u := x.url
		out.URL, out.Header = &u, x.in.Header.Clone()
	}
	out.URL.Scheme, out.URL.Host, out.Host = x.target.Scheme, x.target.Address, x.target.Host
	x.announceDeadline(out)
	if x.span != nil {
		out.Header["Traceparent"] = []string{x.span.Traceparent()}
	}
	out.Body, out.GetBody = x.body.reader()
	x.askForUpgrade(out.Header)
	out.Trailer = nil // an intermediary may drop a request's trailers, and no service reads them
	return out
}

// announceDeadline announces to the service how long the gateway waits for this attempt. While
// the client's body is streamed, every part of it restarts the wait, so there is no
// deadline to announce; nor is there one of a stream, which lasts longer than the wait.
func (x *proxyRequest) announceDeadline(out *http.Request) {
	if x.body.streams || x.rules.Stream {
		return
	}
	left := min(x.u.config.Try, x.timeLeft())
	if end, limited := x.in.Context().Deadline(); limited { // a part of a composed response
		left = min(left, time.Until(end))
	}
	wait := x.wait[:]
	if x.tries > 1 { // the transport may still read that of the attempt before
		wait = make([]string, 1)
	}
	wait[0] = strconv.FormatInt(max(left.Milliseconds(), 1), 10)
	out.Header[httpapi.DeadlineHeader] = wait
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

// abandon ends a response that is not passed on. A small one has been read already, and
// its connection is kept; to read the rest of another one could take forever.
func abandon(res *http.Response) {
	if res != nil && res.Body != nil {
		_ = res.Body.Close() // nothing is expected from it
	}
}
