// Package upstream forwards requests to one service and contains its failures: requests
// in flight are limited, every wait has a timeout, a circuit breaker stops calls to a
// service that keeps failing, and a few retries, within a budget, hide failures that a
// second attempt avoids.
//
// The order is: limit of requests in flight -> read the client's body, if small,
// completely -> for each attempt: breaker, timeout, transport -> the response.
//
// Failures of the client do not count against the service: an inbound body that cannot be
// read, or a client that disconnects, is distinguished from a failure of the service.
// Otherwise any client could open the circuit.
package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
	"troupe/patterns/retry"
)

// Config configures an Upstream. All fields are required, except that zero values of
// Breaker and Retry mean their defaults.
type Config struct {
	Name      string   // "orders"
	Base      *url.URL // scheme and host, nothing else
	Transport http.RoundTripper

	Total    time.Duration // for the client's body to arrive; then, over all attempts, until the response begins
	Try      time.Duration // until the response to one attempt begins; restarted with every part of a streamed body
	Idle     time.Duration // between two parts of a response, on either side
	SlowTry  time.Duration // an attempt that takes longer counts as slow
	InFlight int           // the most requests at a time; further ones are refused
	MaxBody  int64         // bytes of a request's body

	Breaker  breaker.Config
	Retry    retry.Policy // New sets its Budget
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Upstream forwards requests to one service. It is safe for concurrent use.
type Upstream struct {
	config   Config
	breaker  *breaker.Breaker
	retry    retry.Policy
	inFlight atomic.Int64
	metrics  metrics
}

// New returns an upstream and registers its metrics.
func New(c Config) *Upstream {
	u := &Upstream{config: c, retry: c.Retry}
	u.metrics = newMetrics(c.Name)
	c.Breaker.Now = c.Now
	c.Breaker.OnChange = u.metrics.transition
	u.breaker = breaker.New(c.Breaker)
	u.retry.Budget = retry.NewBudget(retry.BudgetConfig{Now: c.Now})
	u.metrics.register(c.Registry, u)
	return u
}

// Breaker returns the circuit breaker of this upstream.
func (u *Upstream) Breaker() *breaker.Breaker { return u.breaker }

// Forward sends r, with its headers as they are, and copies the response to w. If it
// returns an *Error, it has written nothing: write the error to the client. If the
// response breaks off after its beginning, Forward panics with http.ErrAbortHandler, so
// that the client sees a broken response and not a short one.
//
// idempotent means that the service deduplicates this POST by its Idempotency-Key, so
// that Forward may retry it.
func (u *Upstream) Forward(w http.ResponseWriter, r *http.Request, idempotent bool) *Error {
	defer u.inFlight.Add(-1)
	if u.inFlight.Add(1) > int64(u.config.InFlight) {
		return u.count(overloaded())
	}
	if r.ContentLength > u.config.MaxBody {
		return u.count(bodyTooLarge(u.config.MaxBody))
	}
	u.retry.Budget.Count()
	x := newProxyRequest(u, w, r, idempotent)
	defer x.close()
	if err := x.body.readAhead(); err != nil {
		return u.count(x.classify(err).toError())
	}
	x.deadline = time.Now().Add(u.config.Total)
	res, failed := x.attemptWithRetries()
	if failed != nil {
		return u.count(failed)
	}
	responseReceived.Hit()
	x.writeResponse(res)
	return nil
}

func (u *Upstream) count(r *Error) *Error {
	u.metrics.errors.WithLabelValues(r.Code).Inc()
	return r
}

// attemptWithRetries calls the service until it responds, or until another attempt would
// not help or is not allowed.
func (x *proxyRequest) attemptWithRetries() (*http.Response, *Error) {
	permit, err := x.u.breaker.Allow()
	if err != nil {
		return nil, circuitOpen(err)
	}
	for n := 1; ; n++ {
		res, failure := x.attempt(permit)
		wait, again := x.retryDelay(n, res, failure)
		if !again || x.wait(wait) != nil {
			return res, failure.toError()
		}
		if permit, err = x.u.breaker.Allow(); err != nil {
			return res, failure.toError() // more specific than "the circuit is open"
		}
		x.u.metrics.retries.Inc()
		drain(res)
	}
}

// retryDelay returns how long to wait before another attempt, and false if there must be
// none.
func (x *proxyRequest) retryDelay(n int, res *http.Response, f *failure) (time.Duration, bool) {
	switch {
	case f == nil && !isTemporary(res.StatusCode):
		return 0, false
	case f != nil && !f.retryable, x.body.isConsumed():
		return 0, false
	case (f == nil || f.maybeDone) && !x.isRepeatable():
		return 0, false
	}
	var asked time.Duration
	if f == nil {
		asked = retryAfter(res.Header)
	}
	if asked > longestRetryAfter || !x.u.retry.Again(n) {
		return 0, false
	}
	return max(asked, x.u.retry.Wait(n)), true
}

// longestRetryAfter is the longest Retry-After of a service that the gateway waits for
// itself. A longer one is passed on to the client.
const longestRetryAfter = time.Second

var errNoTime = errors.New("no time left for another attempt")

// wait waits for the next attempt, if there is time for one.
func (x *proxyRequest) wait(d time.Duration) error {
	if x.timeLeft() <= d {
		return errNoTime
	}
	return retry.Sleep(x.in.Context(), d)
}

func isTemporary(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// isRepeatable reports whether the request may be sent twice.
func (x *proxyRequest) isRepeatable() bool {
	switch x.in.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return x.idempotent && x.in.Header.Get("Idempotency-Key") != ""
	}
	return false
}
