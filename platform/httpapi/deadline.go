package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// DeadlineHeader is the request header with the milliseconds that the caller still waits
// for the response. The gateway sets it and removes it from requests of its clients.
const DeadlineHeader = "X-Request-Timeout-Ms"

// longestDeadline is the longest wait that a caller can announce. A longer one, and a
// value that is not a positive whole number, are ignored.
const longestDeadline = time.Hour

// limitTime is the middleware that ends a request's context when its caller no longer
// waits for the response, so that a service does no work that has no use.
func limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait := announcedWait(r.Header)
		if wait == 0 {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// announcedWait returns how long the caller waits, 0 if it does not say so.
func announcedWait(h http.Header) time.Duration {
	values := h[DeadlineHeader]
	if len(values) != 1 {
		return 0
	}
	ms, err := strconv.ParseUint(values[0], 10, 32)
	wait := time.Duration(ms) * time.Millisecond
	if err != nil || wait > longestDeadline {
		return 0
	}
	return wait
}

// deadlineProblem returns the problem of a request whose caller no longer waits.
func deadlineProblem(ctx context.Context, cause error) *problem {
	p := newProblem(ctx, http.StatusGatewayTimeout, "deadline_exceeded",
		"the work took longer than the caller waits; it may have been carried out, so look before you send the request again")
	p.cause = cause
	return p
}
