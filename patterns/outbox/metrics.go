package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/bus"
)

// metrics are the relay's counters. The gauges are read from the table each time
// the metrics are collected, see collector.
type metrics struct {
	published, rejected prometheus.Counter
	messaging           bus.ClientMetrics
}

func newMetrics() metrics {
	return metrics{
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_outbox_published_total", Help: "Events that the bus has confirmed.",
		}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_outbox_rejected_total", Help: "Number of times that the bus rejected an event.",
		}),
		messaging: bus.NewSendMetrics(),
	}
}

func (m metrics) count(r result) {
	m.published.Add(float64(r.confirmed))
	m.rejected.Add(float64(r.rejected))
}

// RegisterMetrics registers the outbox's metrics with reg. Alert on the age of the
// oldest pending event: it grows when the relay, the bus or a queue does not work.
func (o *Outbox) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(o.metrics.published, o.metrics.rejected, collector{o})
	o.metrics.messaging.Register(reg)
}

var (
	pendingDesc = prometheus.NewDesc("troupe_outbox_pending_events",
		"Events waiting to be published, counted in up to 10000 transactions.", nil, nil)
	oldestDesc = prometheus.NewDesc("troupe_outbox_oldest_event_age_seconds",
		"Age of the oldest event waiting to be published.", nil, nil)
)

// collector counts the pending events each time the metrics are collected.
type collector struct{ *Outbox }

func (collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- pendingDesc
	descs <- oldestDesc
}

func (c collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var events, oldest int64
	err := c.db.QueryRow(ctx, `SELECT coalesce(sum(events), 0), coalesce(min(created_at), 0)
		FROM (SELECT events, created_at FROM outbox ORDER BY event_id LIMIT 10000) AS pending`).Scan(&events, &oldest)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(pendingDesc, err)
		return
	}
	age := 0.0
	if events > 0 {
		age = max(0, c.now().Sub(time.UnixMicro(oldest)).Seconds())
	}
	metrics <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(events))
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}
