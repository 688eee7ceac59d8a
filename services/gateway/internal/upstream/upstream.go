// Package upstream forwards requests to one service and keeps its troubles from
// becoming everybody's: calls in flight are limited, every wait has an end, a
// circuit breaker stops calling what keeps failing, and a few retries, within a
// budget, hide what a second try can mend.
//
// In this order: limit of calls in flight -> the client's body, if small, is read
// whole -> for each try: breaker, time-out, transport -> the answer.
//
// A client's fault is never the service's: what goes wrong with the inbound
// body, or a client that hangs up, is told apart from what goes wrong with the
// service and does not count against it. Else any stranger could open the circuit.
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

// Config of an Upstream. All fields are needed, but zero values of Breaker and
// Retry mean their defaults.
type Config struct {
	Name      string   // "orders"
	Base      *url.URL // scheme and host, nothing else
	Transport http.RoundTripper

	Total    time.Duration // for the client's body to arrive; then, over all tries, until the answer begins
	Try      time.Duration // until one try's answer begins; a body that streams gets it anew with every part
	Idle     time.Duration // between two parts of an answer, on either side
	SlowTry  time.Duration // a try that takes longer counts as slow
	InFlight int           // requests at once; one more is refused
	MaxBody  int64         // bytes of a request's body

	Breaker  breaker.Config
	Retry    retry.Policy // its Budget is made here
	Now      func() time.Time
	Registry prometheus.Registerer
}

// Upstream is one service as the gateway sees it. It is safe for concurrent use.
type Upstream struct {
	config   Config
	breaker  *breaker.Breaker
	retry    retry.Policy
	inFlight atomic.Int64
	metrics  metrics
}

// New makes an upstream and registers its metrics.
func New(c Config) *Upstream {
	u := &Upstream{config: c, retry: c.Retry}
	u.metrics = newMetrics(c.Name)
	c.Breaker.Now = c.Now
	c.Breaker.OnChange = u.metrics.changed
	u.breaker = breaker.New(c.Breaker)
	u.retry.Budget = retry.NewBudget(retry.BudgetConfig{Now: c.Now})
	u.metrics.register(c.Registry, u)
	return u
}

// Breaker guards this upstream.
func (u *Upstream) Breaker() *breaker.Breaker { return u.breaker }

// Forward sends r, whose headers must be ready to go, and copies the answer to w.
// A *Refusal means that nothing was written; tell it to the client. If the
// answer breaks off after its beginning, Forward panics with http.ErrAbortHandler,
// so that the client sees it broken, not short.
//
// keyed says that the service does a POST of this sort once for one Idempotency-Key.
func (u *Upstream) Forward(w http.ResponseWriter, r *http.Request, keyed bool) *Refusal {
	defer u.inFlight.Add(-1)
	if u.inFlight.Add(1) > int64(u.config.InFlight) {
		return u.refused(overloaded())
	}
	if r.ContentLength > u.config.MaxBody {
		return u.refused(bodyTooLarge(u.config.MaxBody))
	}
	u.retry.Budget.Count()
	x := newExchange(u, w, r, keyed)
	defer x.close()
	if err := x.body.readAhead(); err != nil {
		return u.refused(x.failed(err).refusal())
	}
	x.ends = time.Now().Add(u.config.Total)
	res, refusal := x.tries()
	if refusal != nil {
		return u.refused(refusal)
	}
	gatewayAnswered.Hit()
	x.answer(res)
	return nil
}

func (u *Upstream) refused(r *Refusal) *Refusal {
	u.metrics.refusals.WithLabelValues(r.Code).Inc()
	return r
}

// tries calls the service until it answers in a way that another try is not
// likely to better, or may not.
func (x *exchange) tries() (*http.Response, *Refusal) {
	permit, err := x.u.breaker.Allow()
	if err != nil {
		return nil, circuitOpen(err)
	}
	for n := 1; ; n++ {
		res, failure := x.try(permit)
		wait, again := x.again(n, res, failure)
		if !again || x.pause(wait) != nil {
			return res, failure.refusal()
		}
		if permit, err = x.u.breaker.Allow(); err != nil {
			return res, failure.refusal() // it says more than "the circuit is open"
		}
		x.u.metrics.retries.Inc()
		discard(res)
	}
}

// again says whether another try may follow, and after how long.
func (x *exchange) again(n int, res *http.Response, f *failure) (time.Duration, bool) {
	switch {
	case f == nil && !temporary(res.StatusCode):
		return 0, false
	case f != nil && !f.mendable, x.body.spent():
		return 0, false
	case (f == nil || f.maybeDone) && !x.repeatable():
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

// longestRetryAfter is how long a client may be kept waiting for a service that
// asks for patience. If it asks for more, the client is told.
const longestRetryAfter = time.Second

var errNoTime = errors.New("no time left for another try")

// pause waits for the next try, if there is time for one.
func (x *exchange) pause(d time.Duration) error {
	if x.left() <= d {
		return errNoTime
	}
	return retry.Sleep(x.in.Context(), d)
}

func temporary(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// repeatable requests do no harm if they are done twice.
func (x *exchange) repeatable() bool {
	switch x.in.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return x.keyed && x.in.Header.Get("Idempotency-Key") != ""
	}
	return false
}
