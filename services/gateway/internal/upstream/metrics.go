package upstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/breaker"
)

// metrics of one upstream. The names of outcomes are fixed, so that the hot path
// looks up nothing.
type metrics struct {
	tries    *prometheus.CounterVec
	outcomes [4]prometheus.Counter
	duration prometheus.Histogram
	retries  prometheus.Counter
	refusals *prometheus.CounterVec
	changes  *prometheus.CounterVec
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
		tries:    counter("gateway_tries_total", "Calls to the service by what they say of its health; ignored ones say nothing.", "outcome"),
		refusals: counter("gateway_refusals_total", "Requests that got no answer of the service, by reason.", "code"),
		changes:  counter("gateway_breaker_changes_total", "Changes of the circuit breaker's state.", "to"),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_retries_total", Help: "Calls that were tried again.", ConstLabels: labels,
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_try_duration_seconds", Help: "How long the service took until its answer began.", ConstLabels: labels,
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for outcome, name := range outcomeNames {
		m.outcomes[outcome] = m.tries.WithLabelValues(name)
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer, u *Upstream) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"upstream": u.config.Name},
		}, value)
	}
	r.MustRegister(m.tries, m.refusals, m.changes, m.retries, m.duration,
		gauge("gateway_in_flight", "Requests on their way to the service or back.",
			func() float64 { return float64(u.inFlight.Load()) }),
		gauge("gateway_breaker_state", "0 CLOSED, 1 OPEN, 2 HALF_OPEN.",
			func() float64 { return float64(u.breaker.Snapshot().State) }),
	)
}

func (m *metrics) tried(o breaker.Outcome, took time.Duration) {
	m.outcomes[o].Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) changed(c breaker.Change) { m.changes.WithLabelValues(c.To.String()).Inc() }
