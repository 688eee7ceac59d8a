package upstream

import (
	"net"
	"net/http"
	"strconv"

	"troupe/platform/telemetry"
)

// startSpan begins the span of an attempt, below that of the client's request. Names and
// attributes follow OpenTelemetry's conventions for HTTP clients; url.full is left out,
// because a query may hold secrets.
func (x *proxyRequest) startSpan() {
	_, x.span = telemetry.StartSpan(x.in.Context(), telemetry.Client, x.in.Method)
	if x.span == nil {
		return
	}
	x.describe(x.span)
	host, port, err := net.SplitHostPort(x.target.Address)
	if err == nil {
		x.span.Set("server.address", host)
		x.span.Set("server.port", port)
	}
	if x.tries > 1 {
		x.span.SetInt("http.request.resend_count", x.tries-1)
	}
}

func (x *proxyRequest) describe(span *telemetry.Span) {
	span.Set("http.request.method", x.in.Method)
	span.Set("troupe.upstream", x.u.config.Name)
}

// endSpan ends the span of an attempt.
func (x *proxyRequest) endSpan(res *http.Response, f *failure) {
	if x.span == nil {
		return
	}
	switch {
	case f != nil:
		x.span.Fail(f.Code, f.Detail)
	case res.StatusCode >= http.StatusBadRequest:
		x.span.SetInt("http.response.status_code", res.StatusCode)
		x.span.Fail(strconv.Itoa(res.StatusCode), http.StatusText(res.StatusCode))
	default:
		x.span.SetInt("http.response.status_code", res.StatusCode)
	}
	x.span.End()
	x.span = nil
}

// recordRefusal records that the circuit breaker has allowed no attempt.
func (x *proxyRequest) recordRefusal(failed *Error) {
	_, span := telemetry.StartSpan(x.in.Context(), telemetry.Client, x.in.Method)
	if span == nil {
		return
	}
	x.describe(span)
	span.Fail(failed.Code, failed.Detail)
	span.End()
}
