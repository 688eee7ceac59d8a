package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"troupe/patterns/breaker"
)

// Refusal is why a request got no answer from the service. The status tells a
// client what it may do: after 503 nothing was done and the request may be sent
// again; after 502 and 504 nobody knows, so only with the same Idempotency-Key.
type Refusal struct {
	Status     int
	Code       string // stable, for programs
	Detail     string // a sentence for the client
	RetryAfter time.Duration
	Cause      error // for the log
}

// StatusClientClosed is what the log says of a client that hung up (nginx's 499).
const StatusClientClosed = 499

func overloaded() *Refusal {
	return &Refusal{
		Status: http.StatusServiceUnavailable, Code: "overloaded", RetryAfter: time.Second,
		Detail: "too many requests are waiting for this service; try again in a moment",
	}
}

func circuitOpen(err error) *Refusal {
	r := &Refusal{
		Status: http.StatusServiceUnavailable, Code: "circuit_open", RetryAfter: time.Second,
		Detail: "this service keeps failing and is given time to recover; try again later",
	}
	if open, ok := errors.AsType[*breaker.OpenError](err); ok {
		r.RetryAfter = open.RetryAfter
	}
	return r
}

func bodyTooLarge(limit int64) *Refusal {
	return &Refusal{
		Status: http.StatusRequestEntityTooLarge, Code: "body_too_large",
		Detail: fmt.Sprintf("the body must not be larger than %d bytes", limit),
	}
}

// failure is a try without an answer.
type failure struct {
	Refusal
	outcome   breaker.Outcome
	mendable  bool // another try may succeed
	maybeDone bool // the service may have done what was asked
}

// refusal tells a failure to the client; none to nobody.
func (f *failure) refusal() *Refusal {
	if f == nil {
		return nil
	}
	return &f.Refusal
}

var (
	errClientSlow = errors.New("the client does not send its body")
	errTryTimeout = errors.New("no answer within the time-out")
	errIdle       = errors.New("the answer stopped coming")
)

// failed explains err, by which a try ended without an answer. The client is
// suspected first.
func (x *exchange) failed(err error) *failure {
	// Before the client's context: the server ends that too when the body is late.
	if fault := x.body.fault(); fault != nil {
		return bodyFault(fault)
	}
	if x.in.Context().Err() != nil {
		return clientFault(StatusClientClosed, "client_closed", "the client closed the connection", err)
	}
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errClientSlow):
		return bodyFault(cause)
	case errors.Is(cause, errTryTimeout):
		return &failure{outcome: breaker.Failure, maybeDone: true, Refusal: Refusal{
			Status: http.StatusGatewayTimeout, Code: "upstream_timeout", Cause: err,
			Detail: "the service did not answer in time; what was asked may yet be done",
		}}
	case neverSent(err):
		return &failure{outcome: breaker.Failure, mendable: true, Refusal: Refusal{
			Status: http.StatusServiceUnavailable, Code: "upstream_unreachable", Cause: err, RetryAfter: time.Second,
			Detail: "the service can not be reached; nothing was done, try again in a moment",
		}}
	}
	return &failure{outcome: breaker.Failure, mendable: true, maybeDone: true, Refusal: Refusal{
		Status: http.StatusBadGateway, Code: "upstream_broke_off", Cause: err,
		Detail: "the connection to the service broke; what was asked may have been done",
	}}
}

func clientFault(status int, code, detail string, cause error) *failure {
	return &failure{outcome: breaker.Ignored, Refusal: Refusal{Status: status, Code: code, Detail: detail, Cause: cause}}
}

// bodyFault explains why a client's body could not be read.
func bodyFault(err error) *failure {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &failure{outcome: breaker.Ignored, Refusal: *bodyTooLarge(tooLarge.Limit)}
	case errors.Is(err, errClientSlow), errors.Is(err, os.ErrDeadlineExceeded):
		return clientFault(http.StatusRequestTimeout, "body_too_slow", "the body did not arrive in time; send it again", err)
	}
	return clientFault(http.StatusBadRequest, "body_incomplete", "the body ended early or is badly framed; send it again", err)
}

// neverSent says that no byte of the request left: there was nobody to send it to.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retryAfter reads the delay form of Retry-After; no service of ours uses the date.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
