package inbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	events                                     *prometheus.CounterVec
	duplicates, ignored, failed, died, takenIn prometheus.Counter
	batch                                      prometheus.Histogram
	seconds                                    *prometheus.HistogramVec
	lag                                        *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_inbox_events_total",
			Help: "Events heard: handled, duplicate, ignored (type unknown), failed (to be tried again), dead.",
		}, []string{"result"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "troupe_inbox_batch_events", Help: "Events handed over at once.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "troupe_inbox_reaction_seconds", Help: "Time of one call of a reaction, which may take many events.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"type"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "troupe_inbox_lag_seconds", Help: "Time from the fact to its effect here.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 11),
		}, []string{"type"}),
	}
	m.takenIn = m.events.WithLabelValues("handled")
	m.duplicates = m.events.WithLabelValues("duplicate")
	m.ignored = m.events.WithLabelValues("ignored")
	m.failed = m.events.WithLabelValues("failed")
	m.died = m.events.WithLabelValues("dead")
	return m
}

func (m *metrics) handled(hs []heard, now time.Time) {
	m.takenIn.Add(float64(len(hs)))
	for _, h := range hs {
		m.lag.WithLabelValues(h.Type).Observe(max(0, now.Sub(h.Time).Seconds()))
	}
}

func (m *metrics) took(eventType string, d time.Duration) {
	m.seconds.WithLabelValues(eventType).Observe(d.Seconds())
}

// RegisterMetrics lets reg see how the inbox fares.
func (i *Inbox) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(i.metrics.events, i.metrics.batch, i.metrics.seconds, i.metrics.lag, parkedTable{i})
}

var parkedDesc = prometheus.NewDesc("troupe_inbox_parked_events",
	"Events waiting for another try, or dead.", []string{"state"}, nil)

// parkedTable counts parked events when somebody asks.
type parkedTable struct{ *Inbox }

func (parkedTable) Describe(descs chan<- *prometheus.Desc) { descs <- parkedDesc }

func (t parkedTable) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var retry, dead float64
	err := t.db.QueryRow(ctx, `SELECT count(CASE WHEN state = 'retry' THEN 1 END), count(CASE WHEN state = 'dead' THEN 1 END)
		FROM parked WHERE consumer = $1`, t.service).Scan(&retry, &dead)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(parkedDesc, err)
		return
	}
	metrics <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, retry, stateRetry)
	metrics <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, dead, stateDead)
}
