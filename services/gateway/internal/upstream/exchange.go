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

// exchange is one request on its way: everything that belongs to it, in one piece.
type exchange struct {
	u  *Upstream
	w  http.ResponseWriter
	in *http.Request
	// keyed says that the service heeds an Idempotency-Key here.
	keyed bool

	url   url.URL
	body  clientBody
	part  *[partSize]byte // of the answer
	ctx   context.Context
	timer timer     // ends ctx: waits for a try's answer, then for each part of it
	ends  time.Time // when the answer must have begun
}

const partSize = 32 << 10

var parts = sync.Pool{New: func() any { return new([partSize]byte) }}

func newExchange(u *Upstream, w http.ResponseWriter, in *http.Request, keyed bool) *exchange {
	x := &exchange{u: u, w: w, in: in, keyed: keyed}
	x.url = url.URL{
		Scheme: u.config.Base.Scheme, Host: u.config.Base.Host,
		Path: in.URL.Path, RawPath: in.URL.RawPath, RawQuery: in.URL.RawQuery,
	}
	x.ctx, x.timer.cancel = context.WithCancelCause(in.Context())
	x.body.init(x)
	return x
}

// close gives everything back. What the transport may still hold of the client's
// body is left to the garbage collector.
func (x *exchange) close() {
	x.timer.stop()
	x.timer.cancel(nil)
	x.body.close()
	if x.part != nil {
		parts.Put(x.part)
	}
}

// left is the time until the answer must have begun. Deadlines of connections
// know only the real time, so these waits are measured in it too.
func (x *exchange) left() time.Duration { return time.Until(x.ends) }

// try sends the request once. It hands back the permit, also if the transport panics.
func (x *exchange) try(permit breaker.Permit) (*http.Response, *failure) {
	outcome, began := breaker.Ignored, x.u.config.Now()
	defer func() { x.u.breaker.Done(permit, outcome) }()
	res, err := x.roundTrip()
	took := x.u.config.Now().Sub(began)
	var f *failure
	if err != nil {
		f = x.failed(err)
		outcome = f.outcome
	} else {
		outcome = x.outcomeOf(res.StatusCode, took)
	}
	x.u.metrics.tried(outcome, took)
	return res, f
}

// outcomeOf says what an answer tells of the service's health. What the client
// asked wrongly is answered well.
func (x *exchange) outcomeOf(status int, took time.Duration) breaker.Outcome {
	switch {
	case status == http.StatusInternalServerError, temporary(status):
		return breaker.Failure
	case took >= x.u.config.SlowTry && !x.body.streams: // else the client may have been slow
		return breaker.Slow
	}
	return breaker.Success
}

var errSwitched = errors.New("the service switched protocols unasked")

// roundTrip waits for the head of the answer, and for all of it if it is small:
// then nothing can go wrong any more once the client has seen its beginning.
func (x *exchange) roundTrip() (*http.Response, error) {
	x.timer.start(errTryTimeout, min(x.u.config.Try, x.left()))
	res, err := x.u.config.Transport.RoundTrip(x.outbound())
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		err = errSwitched
	} else {
		err = x.readSmallAnswer(res)
	}
	x.timer.stop()
	if err != nil {
		_ = res.Body.Close() // the answer is given up anyway
		return nil, err
	}
	return res, nil
}

func (x *exchange) outbound() *http.Request {
	out := x.in.WithContext(x.ctx)
	out.URL, out.Host, out.RequestURI, out.Close = &x.url, x.url.Host, "", false
	out.Body, out.GetBody = x.body.reader()
	out.Trailer = nil // an intermediary may drop those of requests, and no service reads them
	return out
}

// readSmallAnswer reads an answer of known, small length whole.
func (x *exchange) readSmallAnswer(res *http.Response) error {
	length := res.ContentLength
	if x.in.Method == http.MethodHead || length <= 0 || length > partSize {
		return nil
	}
	if x.part == nil {
		x.part = parts.Get().(*[partSize]byte)
	}
	if _, err := io.ReadFull(res.Body, x.part[:length]); err != nil {
		return err
	}
	err := res.Body.Close()
	res.Body = nil // it is in x.part
	return err
}

// discard gives up an answer, and the connection too unless it is nearly read.
func discard(res *http.Response) {
	if res == nil || res.Body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	_ = res.Body.Close() // the answer is given up anyway
}
