package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Response is a response that Fetch has read completely.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// passedOn lists the headers of a client's request that Fetch sends. Conditions, ranges
// and encodings are not among them: they are about the response that the client gets.
var passedOn = []string{
	"Accept-Language", "Authorization", "Traceparent", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "X-Request-Id",
}

// Fetch sends a GET to a path of the service on behalf of the client of r, and reads the
// response, up to limit bytes. It ends with ctx; a deadline of ctx that passes counts as a
// slow call. Everything else is as with Forward.
func (u *Upstream) Fetch(ctx context.Context, r *http.Request, to *url.URL, limit int) (*Response, *Error) {
	return u.fetch(ctx, http.MethodGet, r, to, limit)
}

// Options is Fetch for an OPTIONS request.
func (u *Upstream) Options(ctx context.Context, r *http.Request, to *url.URL, limit int) (*Response, *Error) {
	return u.fetch(ctx, http.MethodOptions, r, to, limit)
}

func (u *Upstream) fetch(ctx context.Context, method string, r *http.Request, to *url.URL, limit int) (res *Response, failed *Error) {
	out := (&http.Request{
		Method: method, URL: to, Host: r.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"application/json"}}, Body: http.NoBody, RemoteAddr: r.RemoteAddr,
	}).WithContext(ctx)
	for _, name := range passedOn {
		if values, ok := r.Header[name]; ok {
			out.Header[name] = values
		}
	}
	w := &recorder{header: http.Header{}, limit: limit}
	defer func() {
		switch broken := recover(); broken {
		case nil:
		case http.ErrAbortHandler: // which Forward panics with
			res, failed = nil, brokeOff(errors.New("the response broke off"))
		default:
			panic(broken)
		}
	}()
	switch failed = u.Forward(w, out, Rules{}); {
	case failed != nil:
		return nil, failed
	case w.err != nil:
		return nil, Invalid(w.err)
	case ctx.Err() != nil: // the body broke off because the time was over
		return nil, timedOut(ctx.Err())
	}
	return &Response{w.status, w.header, w.body.Bytes()}, nil
}

// recorder is a response writer that keeps a response of limited size.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int
	err    error
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) { w.status = status }

// Flush does nothing: the response is read when it is complete.
func (w *recorder) Flush() {}

func (w *recorder) Write(p []byte) (int, error) {
	if w.body.Len()+len(p) > w.limit {
		w.err = fmt.Errorf("the response is larger than %d bytes", w.limit)
		return 0, w.err
	}
	return w.body.Write(p)
}

func brokeOff(cause error) *Error {
	return &Error{
		Status: http.StatusBadGateway, Code: "upstream_broke_off", Cause: cause,
		Detail: "the connection to the service broke; the request may have been carried out",
	}
}

func timedOut(cause error) *Error {
	return &Error{
		Status: http.StatusGatewayTimeout, Code: codeTimeout, Cause: cause,
		Detail: "the service did not respond in time; the request may still be carried out",
	}
}

// Invalid returns the error for a response that a client cannot be given.
func Invalid(cause error) *Error {
	return &Error{
		Status: http.StatusBadGateway, Code: "upstream_invalid", Cause: cause,
		Detail: "the service's response cannot be read; try again later",
	}
}
