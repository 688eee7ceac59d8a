package orders

import "github.com/prometheus/client_golang/prometheus"

// metrics measure how many orders come to which end, and how long customers wait for
// the decision.
type metrics struct {
	published *prometheus.CounterVec
	decided   *prometheus.HistogramVec // in seconds
}

func newMetrics(r *prometheus.Registry) *metrics {
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
	}
	r.MustRegister(m.published, m.decided)
	return m
}
