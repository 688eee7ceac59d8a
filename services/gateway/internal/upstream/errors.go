package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"troupe/patterns/breaker"
)

// Error is why a request got no response from the service. Its status tells the client
// what it may do. After 503 nothing was done, and the request may be sent again. After
// 502 and 504 the outcome is unknown: send a POST again only with the same
// Idempotency-Key.
type Error struct {
	Status     int
	Code       string // stable, for programs
	Detail     string // a sentence for the client
	RetryAfter time.Duration
	Cause      error // for the log
}

const codeTimeout = "upstream_timeout"

// StatusClientClosed is the status in the log for a client that disconnected (nginx's
// 499).
const StatusClientClosed = 499

func overloaded() *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "overloaded", RetryAfter: time.Second,
		Detail: "too many requests are waiting for this service; try again in a moment",
	}
}

func tooManyBodies() *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: "too_many_bodies", RetryAfter: time.Second,
		Detail: "too many requests from your address have not sent their whole body; finish or end some of them, then try again",
	}
}

func circuitOpen(err error) *Error {
	r := &Error{
		Status: http.StatusServiceUnavailable, Code: "circuit_open", RetryAfter: time.Second,
		Detail: "this service is failing and its circuit is open; try again later",
	}
	if open, ok := errors.AsType[*breaker.OpenError](err); ok {
		r.RetryAfter = open.RetryAfter
		if open.Forced {
			r.Detail = "this service is closed for maintenance; try again later"
		}
	}
	return r
}

func bodyTooLarge(limit int64) *Error {
	return &Error{
		Status: http.StatusRequestEntityTooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the body must not be larger than %d bytes", limit),
	}
}

// failure is an attempt without a response.
type failure struct {
	Error
	outcome   breaker.Outcome
	retryable bool // another attempt may succeed
	maybeDone bool // the service may have carried out the request
}

// toError returns the failure as an Error for the client; nil for no failure.
func (f *failure) toError() *Error {
	if f == nil {
		return nil
	}
	return &f.Error
}

// lostConnection reports whether the service refused or ended the connection.
func (f *failure) lostConnection() bool {
	return f != nil && f.outcome == breaker.Failure && f.retryable
}

var (
	errClientSlow = errors.New("the client does not send its body")
	errTryTimeout = errors.New("no response within the timeout")
	errIdle       = errors.New("the response stopped arriving")
)

// classify returns the failure for err, by which an attempt ended without a response. It
// looks at the client first.
func (x *proxyRequest) classify(err error) *failure {
	// This comes before the client's context, which the server ends too when the body is
	// late.
	if fault := x.body.err(); fault != nil {
		return bodyFailure(fault)
	}
	if errors.Is(x.in.Context().Err(), context.DeadlineExceeded) {
		return &failure{outcome: breaker.Slow, maybeDone: true, Error: *timedOut(err)} // of Fetch: shorter than that of an attempt
	}
	if x.in.Context().Err() != nil {
		return clientFailure(StatusClientClosed, "client_closed", "the client closed the connection", err)
	}
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errClientSlow):
		return bodyFailure(cause)
	case errors.Is(cause, errTryTimeout):
		return &failure{outcome: breaker.Failure, maybeDone: true, Error: *timedOut(err)}
	case isDialError(err):
		return &failure{outcome: breaker.Failure, retryable: true, Error: Error{
			Status: http.StatusServiceUnavailable, Code: "upstream_unreachable", Cause: err, RetryAfter: time.Second,
			Detail: "the service cannot be reached; nothing was done, try again in a moment",
		}}
	}
	return &failure{outcome: breaker.Failure, retryable: true, maybeDone: true, Error: *brokeOff(err)}
}

func clientFailure(status int, code, detail string, cause error) *failure {
	return &failure{outcome: breaker.Ignored, Error: Error{Status: status, Code: code, Detail: detail, Cause: cause}}
}

// bodyFailure returns the failure for a client's body that could not be read.
func bodyFailure(err error) *failure {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &failure{outcome: breaker.Ignored, Error: *bodyTooLarge(tooLarge.Limit)}
	case errors.Is(err, errClientSlow), errors.Is(err, os.ErrDeadlineExceeded):
		return clientFailure(http.StatusRequestTimeout, "body_too_slow", "the body did not arrive in time; send it again", err)
	}
	return clientFailure(http.StatusBadRequest, "body_incomplete", "the body ended early or is badly framed; send it again", err)
}

// isDialError reports whether the connection failed before any byte of the request was
// sent.
func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isShed reports whether the service refused the request because it has too much to do,
// or because this client asks for too much. It has not carried the request out.
func isShed(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return len(res.Header["Retry-After"]) > 0
	}
	return false
}

// isOverload reports whether the service refused the request because it has too much to
// do, not because of this client.
func isOverload(res *http.Response) bool {
	return res.StatusCode == http.StatusServiceUnavailable && isShed(res)
}
