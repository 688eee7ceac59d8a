package inbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/bus"
	"troupe/platform/sqldb"
)

type metrics struct {
	events                                     *prometheus.CounterVec
	handled, duplicates, ignored, failed, dead prometheus.Counter
	batch                                      prometheus.Histogram
	seconds                                    *prometheus.HistogramVec
	lag                                        *prometheus.HistogramVec
	messaging                                  bus.ClientMetrics
}

func newMetrics(service string) *metrics {
	m := &metrics{
		messaging: bus.NewProcessMetrics(service),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_inbox_events_total",
			Help: "Events consumed, by result: handled, duplicate, ignored (unknown type), failed (to be retried), dead.",
		}, []string{"result"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "troupe_inbox_batch_events", Help: "Events delivered in one batch.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "troupe_inbox_handler_duration_seconds", Help: "Duration of one call of an event handler, which may handle many events, also of other types.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"type"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "troupe_inbox_lag_seconds", Help: "Time from the creation of an event to its effect in this service.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 11),
		}, []string{"type"}),
	}
	m.handled = m.events.WithLabelValues("handled")
	m.duplicates = m.events.WithLabelValues("duplicate")
	m.ignored = m.events.WithLabelValues("ignored")
	m.failed = m.events.WithLabelValues("failed")
	m.dead = m.events.WithLabelValues("dead")
	return m
}

func (m *metrics) countHandled(events []decoded, now time.Time) {
	m.handled.Add(float64(len(events)))
	for _, e := range events {
		m.lag.WithLabelValues(e.Type).Observe(max(0, now.Sub(e.Time).Seconds()))
	}
}

func (m *metrics) observeHandler(eventType string, d time.Duration) {
	m.seconds.WithLabelValues(eventType).Observe(d.Seconds())
}

// RegisterMetrics registers the inbox's metrics with reg.
func (i *Inbox) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(i.metrics.events, i.metrics.batch, i.metrics.seconds, i.metrics.lag, parkedCollector{i})
	i.metrics.messaging.Register(reg)
}

var parkedDesc = prometheus.NewDesc("troupe_inbox_parked_events",
	"Parked events, by state: retry (waiting for another attempt) or dead.", []string{"state"}, nil)

var oldestDeadDesc = prometheus.NewDesc("troupe_inbox_oldest_dead_letter_age_seconds",
	"Time since the oldest dead letter failed first, 0 if there is none.", nil, nil)

// parkedCollector counts the parked events each time the metrics are collected.
type parkedCollector struct{ *Inbox }

func (parkedCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- parkedDesc
	descs <- oldestDeadDesc
}

func (c parkedCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var retrying, dead float64
	var oldest int64
	err := c.db.QueryRow(ctx, `SELECT count(CASE WHEN state = 'retry' THEN 1 END), count(CASE WHEN state = 'dead' THEN 1 END),
		COALESCE(min(CASE WHEN state = 'dead' THEN first_failed END), 0)
		FROM parked WHERE consumer = $1`, c.service).Scan(&retrying, &dead, &oldest)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(parkedDesc, err)
		return
	}
	metrics <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, retrying, stateRetry)
	metrics <- prometheus.MustNewConstMetric(parkedDesc, prometheus.GaugeValue, dead, stateDead)
	age := 0.0
	if oldest != 0 {
		age = max(0, c.now().Sub(sqldb.Time(oldest)).Seconds())
	}
	metrics <- prometheus.MustNewConstMetric(oldestDeadDesc, prometheus.GaugeValue, age)
}
