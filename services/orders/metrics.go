package orders

import "github.com/prometheus/client_golang/prometheus"

// metrics measure how many orders come to which end, how long customers wait for the
// decision, and how many orders are refused because there are too many.
type metrics struct {
	published *prometheus.CounterVec
	decided   *prometheus.HistogramVec // in seconds
	refused   prometheus.Counter
}

func newMetrics(r *prometheus.Registry, b *backlog) *metrics {
	m := &metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_orders_events_published_total",
			Help: "Events about orders that were added to the outbox, by type, and by reason if the order is cancelled.",
		}, []string{"type", "reason"}),
		decided: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "troupe_orders_decision_seconds",
			Help:    "Time from placing an order until it is confirmed or cancelled.",
			Buckets: prometheus.ExponentialBuckets(0.01, 3, 11), // to 10 minutes
		}, []string{"status"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_orders_admission_refused_total",
			Help: "Orders that were refused with 503 because there were more than can be carried.",
		}),
	}
	r.MustRegister(m.published, m.decided, m.refused)
	b.register(r)
	return m
}

// register registers gauges of what b knows.
func (b *backlog) register(r *prometheus.Registry) {
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_orders_" + name, Help: help}, value))
	}
	gauge("admission_backlog", "Orders that are not decided, or confirmed and not paid, without those that are stuck.", func() float64 { return float64(b.State().Size) })
	gauge("admission_limit", "The size of the backlog from which new orders are refused.",
		func() float64 { return float64(b.State().Limit) })
	gauge("admission_wait_seconds", "How long the orders that were paid last had waited since they were placed.", func() float64 { return b.State().Wait.Seconds() })
	gauge("admission_overloaded", "1 if orders were refused in the last 5 s.", func() float64 { return number(b.State().Overloaded) })
	gauge("deadline_clock_stopped", "1 if deadlines do not pass because the system itself is behind.",
		func() float64 { return number(!b.clock.Running()) })
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
