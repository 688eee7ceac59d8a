package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the relay's counters; the table itself is looked at when asked.
type metrics struct {
	relayed, refused prometheus.Counter
}

func newMetrics() metrics {
	return metrics{
		relayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_outbox_relayed_total", Help: "Events that the bus took.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_outbox_refused_total", Help: "Times that the bus refused an event.",
		}),
	}
}

func (m metrics) count(out outcome) {
	m.relayed.Add(float64(len(out.taken)))
	m.refused.Add(float64(len(out.refused)))
}

// RegisterMetrics lets reg see how the outbox fares. The age of the oldest event is the
// one to alert on: it grows when the relay, the bus or a queue does not work.
func (o *Outbox) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(o.metrics.relayed, o.metrics.refused, table{o})
}

var (
	waitingDesc = prometheus.NewDesc("troupe_outbox_events",
		"Events waiting to be relayed, counted to 10000.", nil, nil)
	oldestDesc = prometheus.NewDesc("troupe_outbox_oldest_seconds",
		"Age of the oldest event waiting to be relayed.", nil, nil)
)

// table collects what is in the outbox when somebody asks.
type table struct{ *Outbox }

func (table) Describe(descs chan<- *prometheus.Desc) {
	descs <- waitingDesc
	descs <- oldestDesc
}

func (t table) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var events, oldest int64
	err := t.db.QueryRow(ctx, `SELECT count(*), coalesce(min(created_at), 0)
		FROM (SELECT created_at FROM outbox ORDER BY event_id LIMIT 10000) AS waiting`).Scan(&events, &oldest)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(waitingDesc, err)
		return
	}
	age := 0.0
	if events > 0 {
		age = max(0, t.now().Sub(time.UnixMicro(oldest)).Seconds())
	}
	metrics <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(events))
	metrics <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}
