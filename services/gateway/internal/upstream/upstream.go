// Package upstream forwards requests to one service and contains its failures: requests
// in flight are limited, every wait has a timeout, a circuit breaker stops calls to a
// service that keeps failing, and a few retries, within a budget, hide failures that a
// second attempt avoids.
//
// The order is: read the client's body, if small, completely -> limit of requests in
// flight -> for each attempt: breaker, target, timeout, transport -> the response. So a
// client that sends its body slowly occupies no service. Such clients are counted apart.
//
// Failures of the client do not count against the service: an inbound body that cannot be
// read, or a client that disconnects, is distinguished from a failure of the service.
// Otherwise any client could open the circuit.
package upstream

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
	"troupe/patterns/journal"
	"troupe/patterns/retry"
	"troupe/patterns/throttle"
	"troupe/services/gateway/internal/balance"
	"troupe/services/gateway/internal/inflight"
	"troupe/services/gateway/internal/stream"
)

// Config configures an Upstream. All fields are required, except that zero values of
// Breaker and Retry mean their defaults.
type Config struct {
	Name      string // "orders"
	Balancer  *balance.Balancer
	Transport http.RoundTripper

	Total    time.Duration     // for the client's body to arrive; then, over all attempts, until the response begins
	Try      time.Duration     // until the response to one attempt begins; restarted with every part of a streamed body
	Idle     time.Duration     // between two parts of a response, on either side
	SlowTry  time.Duration     // an attempt that takes longer counts as slow
	Adaptive bool              // adapts the limit of requests in flight to the response times
	InFlight int               // the most requests at a time; further ones are refused
	MaxBody  int64             // bytes of a request's body
	Readers  *inflight.Readers // counts arriving bodies; all upstreams share it
	Streams  *stream.Registry  // counts WebSockets and event streams; all upstreams share it

	Breaker  breaker.Config
	Retry    retry.Policy // New sets its Budget
	Now      func() time.Time
	Log      *slog.Logger
	Registry prometheus.Registerer
	Journal  *journal.Recorder // records the changes of the circuit breaker; nil: none are recorded
}

// Rules are what a route allows.
type Rules struct {
	// Idempotent means that the service deduplicates a POST by its Idempotency-Key, so that
	// it may be retried.
	Idempotent bool
	// Stream allows WebSockets, and responses that go on for longer than any timeout.
	Stream bool
	// Throttle learns how the service answers, so that the gateway can refuse what the service
	// would refuse too. It may be nil.
	Throttle *throttle.Throttle
}

// Upstream forwards requests to one service. It is safe for concurrent use.
type Upstream struct {
	config  Config
	breaker *breaker.Breaker
	retry   retry.Policy
	slots   *inflight.Limit
	metrics metrics
}

// New returns an upstream and registers its metrics.
func New(c Config) *Upstream {
	u := &Upstream{config: c, retry: c.Retry, slots: newLimit(c)}
	u.metrics = newMetrics(c.Name)
	c.Breaker.Now = c.Now
	c.Breaker.OnChange = u.changed
	u.breaker = breaker.New(c.Breaker)
	u.retry.Budget = retry.NewBudget(retry.BudgetConfig{Now: c.Now})
	u.metrics.register(c.Registry, u)
	return u
}

func newLimit(c Config) *inflight.Limit {
	if c.Adaptive {
		return inflight.NewAdaptiveLimit(c.InFlight, c.Now)
	}
	return inflight.NewLimit(c.InFlight)
}

// changed counts and logs a change of the circuit breaker.
func (u *Upstream) changed(c breaker.Change) {
	u.metrics.transition(c)
	u.config.Journal.Switched(c.At, journal.Breaker{Dependency: u.config.Name, From: c.From.String(), To: c.To.String(), Reason: c.Reason})
	level := slog.LevelInfo
	if c.To == breaker.Open {
		level = slog.LevelWarn
	}
	u.config.Log.Log(context.Background(), level, "circuit breaker changed", "upstream", u.config.Name,
		"from", c.From.String(), "to", c.To.String(), "reason", c.Reason)
}

// Breaker returns the circuit breaker of this upstream.
func (u *Upstream) Breaker() *breaker.Breaker { return u.breaker }

// Forward sends r, with its headers as they are, and copies the response to w. If it
// returns an *Error, it has written nothing: write the error to the client. If the
// response breaks off after its beginning, Forward panics with http.ErrAbortHandler, so
// that the client sees a broken response and not a short one.
//
// A WebSocket, which rules must allow, has ended when Forward returns.
func (u *Upstream) Forward(w http.ResponseWriter, r *http.Request, rules Rules) *Error {
	x := newProxyRequest(u, w, r, rules)
	defer x.close()
	if refused := x.receive(); refused != nil {
		w.Header().Set("Connection", "close") // the server must not wait for the rest of the body
		return u.count(refused)
	}
	if !u.slots.Take(x.body.streams) {
		return u.count(overloaded())
	}
	x.hasSlot = true
	u.retry.Budget.Count()
	x.deadline = time.Now().Add(u.config.Total)
	res, failed := x.attemptWithRetries()
	if rules.Throttle != nil {
		rules.Throttle.Answered(res != nil && x.isOverloaded(res)) // another 503 may be a full disk, or a database that is away
	}
	if failed != nil {
		return u.count(failed)
	}
	responseReceived.Hit()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return u.count(x.serveWebSocket(res))
	}
	return u.count(x.writeResponse(res))
}

// receive reads a small body completely. The client counts as a reader for as long as its
// body arrives; one whose body is streamed does so until the end of the request.
func (x *proxyRequest) receive() *Error {
	if x.body.rest == nil {
		return nil
	}
	if x.in.ContentLength > x.u.config.MaxBody {
		return bodyTooLarge(x.u.config.MaxBody)
	}
	x.client = inflight.Key(x.in.Header.Get("X-Forwarded-For"))
	switch x.u.config.Readers.Take(x.client) {
	case inflight.AddressFull:
		return tooManyBodies()
	case inflight.AllFull:
		return overloaded()
	}
	x.isReader = true
	if err := x.body.readAhead(); err != nil {
		return x.classify(err).toError()
	}
	if !x.body.streams {
		x.releaseReader()
	}
	return nil
}

// CountRefusal counts a request to this service that was refused with that code before
// Forward.
func (u *Upstream) CountRefusal(code string) { u.metrics.errors.WithLabelValues(code).Inc() }

// count counts an error, if there is one.
func (u *Upstream) count(r *Error) *Error {
	if r == nil {
		return nil
	}
	u.metrics.errors.WithLabelValues(r.Code).Inc()
	return r
}

// Step looks after the targets: it follows their names and checks their health.
func (u *Upstream) Step(ctx context.Context) (int, error) { return u.config.Balancer.Step(ctx) }
