package balance

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	picks     *prometheus.CounterVec // by target; those that are gone are removed
	ejections prometheus.Counter
}

func newMetrics(upstream string) metrics {
	labels := prometheus.Labels{"upstream": upstream}
	return metrics{
		picks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_gateway_upstream_picks_total", Help: "Attempts by target of the service.", ConstLabels: labels,
		}, []string{"target"}),
		ejections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_gateway_upstream_ejections_total", Help: "Targets taken out of use because they kept failing.", ConstLabels: labels,
		}),
	}
}

func (b *Balancer) register(r prometheus.Registerer) {
	r.MustRegister(b.metrics.picks, b.metrics.ejections)
	for s, name := range map[state]string{healthy: "healthy", ejected: "ejected", unhealthy: "unhealthy"} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "troupe_gateway_upstream_targets", Help: "Targets of the service by state.",
			ConstLabels: prometheus.Labels{"upstream": b.config.Name, "state": name},
		}, func() float64 { return float64(b.count(s)) }))
	}
}

// count returns the number of targets in a state.
func (b *Balancer) count(s state) (n int) {
	now := b.config.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.pool.Load().all {
		if t.state(now) == s {
			n++
		}
	}
	return n
}
