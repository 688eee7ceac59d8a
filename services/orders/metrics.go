package orders

import "github.com/prometheus/client_golang/prometheus"

// metrics tell how orders fare: how many come to what end, and how long their
// customers wait to know.
type metrics struct {
	said    *prometheus.CounterVec
	decided *prometheus.HistogramVec // in seconds
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{
		said: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_orders_said_total",
			Help: "What was said about orders, by event type, and why if it was order.cancelled.",
		}, []string{"type", "reason"}),
		decided: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "troupe_orders_decision_seconds",
			Help:    "Time from placing an order to its being confirmed or cancelled.",
			Buckets: prometheus.ExponentialBuckets(0.01, 3, 11), // to 10 minutes
		}, []string{"status"}),
	}
	r.MustRegister(m.said, m.decided)
	return m
}
