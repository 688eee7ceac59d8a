package upstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
)

// metrics are those of one upstream. The counters of the outcomes are looked up once, so
// that a request looks up nothing.
type metrics struct {
	attempts    *prometheus.CounterVec
	outcomes    [4]prometheus.Counter
	duration    prometheus.Histogram
	retries     prometheus.Counter
	errors      *prometheus.CounterVec
	transitions *prometheus.CounterVec
}

var outcomeNames = [4]string{
	breaker.Ignored: "ignored", breaker.Success: "success", breaker.Failure: "failure", breaker.Slow: "slow",
}

func newMetrics(upstream string) metrics {
	labels := prometheus.Labels{"upstream": upstream}
	counter := func(name, help string, names ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, names)
	}
	m := metrics{
		attempts:    counter("troupe_gateway_upstream_attempts_total", "Calls to the service by outcome; ignored ones do not count for the breaker.", "outcome"),
		errors:      counter("troupe_gateway_upstream_errors_total", "Requests that got no response from the service, by reason.", "code"),
		transitions: counter("troupe_gateway_breaker_transitions_total", "State changes of the circuit breaker.", "to"),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_gateway_upstream_retries_total", Help: "Retries of calls to the service.", ConstLabels: labels,
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "troupe_gateway_upstream_attempt_duration_seconds", Help: "Time until the service's response began.", ConstLabels: labels,
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for outcome, name := range outcomeNames {
		m.outcomes[outcome] = m.attempts.WithLabelValues(name)
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer, u *Upstream) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"upstream": u.config.Name},
		}, value)
	}
	r.MustRegister(m.attempts, m.errors, m.transitions, m.retries, m.duration,
		gauge("troupe_gateway_upstream_requests_in_flight", "Requests being forwarded to the service.",
			func() float64 { return float64(u.slots.Used()) }),
		gauge("troupe_gateway_upstream_limit", "The most requests in flight at present.",
			func() float64 { return float64(u.slots.Most()) }),
		gauge("troupe_gateway_breaker_state", "State of the circuit breaker: 0 CLOSED, 1 OPEN, 2 HALF_OPEN.",
			func() float64 { return float64(u.breaker.Snapshot().State) }),
		gauge("troupe_gateway_breaker_forced", "Whether an admin keeps the circuit breaker in its state.",
			func() float64 { return number(u.breaker.Snapshot().Forced) }),
		gauge("troupe_gateway_breaker_last_change_timestamp_seconds", "When the circuit breaker changed its state last, 0 for never.",
			func() float64 { return seconds(u.breaker.Snapshot().Since) }),
	)
}

func (m *metrics) observe(o breaker.Outcome, took time.Duration) {
	m.outcomes[o].Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) transition(c breaker.Change) {
	if c.From != c.To { // else only whether it is forced has changed
		m.transitions.WithLabelValues(c.To.String()).Inc()
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds returns the time since 1970, 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
