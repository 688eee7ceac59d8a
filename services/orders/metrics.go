package orders

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/events"
	"troupe/platform/telemetry"
)

// metrics measure how many orders come to which end, how long customers wait for the
// decision, and how many orders are refused because there are too many.
type metrics struct {
	published *prometheus.CounterVec
	decided   *prometheus.HistogramVec // in seconds
	refused   prometheus.Counter

	started     prometheus.Counter
	finished    *prometheus.CounterVec
	duration    *prometheus.HistogramVec // in seconds
	compensated *prometheus.CounterVec
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
	m.addSaga()
	r.MustRegister(m.published, m.decided, m.refused, m.started, m.finished, m.duration, m.compensated)
	b.register(r)
	return m
}

// addSaga adds the metrics of the order saga, from the order to its payment or cancellation.
func (m *metrics) addSaga() {
	m.started = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "troupe_saga_started_total", Help: "Orders that were placed.",
	})
	m.finished = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_saga_finished_total", Help: "Orders that came to an end, by outcome: paid or cancelled.",
	}, []string{"outcome"})
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "troupe_saga_duration_seconds",
		Help:    "Time from placing an order until it is paid or cancelled, by outcome. Exemplars name a trace.",
		Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 60, 180, 600}, // an alert is about those of 10 s
	}, []string{"outcome"})
	m.compensated = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_saga_compensations_total",
		Help: "Steps of cancelled orders that were undone, by step: stock (released) or payment (voided or refunded).",
	}, []string{"step"})
}

// finish counts the end of an order. traceparent is that of the event that led to it.
func (m *metrics) finish(outcome string, waited time.Duration, traceparent string) {
	m.finished.WithLabelValues(outcome).Inc()
	h := m.duration.WithLabelValues(outcome)
	if trace := telemetry.RecordedTrace(traceparent); trace != "" {
		h.(prometheus.ExemplarObserver).ObserveWithExemplar(waited.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	h.Observe(waited.Seconds())
}

// compensations are the steps that events tell to be undone.
var compensations = map[string]string{
	(events.StockReleased{}).EventType():   "stock",
	(events.PaymentVoided{}).EventType():   "payment",
	(events.PaymentRefunded{}).EventType(): "payment",
}

// register registers gauges of what b knows.
func (b *backlog) register(r *prometheus.Registry) {
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_orders_" + name, Help: help}, value))
	}
	saga := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_saga_" + name, Help: help}, value))
	}
	saga("in_flight", "Orders that are neither paid nor cancelled, up to 100000.", func() float64 { return float64(b.seen.Load().orders) })
	saga("stuck", "Orders in flight that were placed so long ago that something must be wrong.", func() float64 { return float64(b.seen.Load().stuck) })
	saga("oldest_in_flight_seconds", "Age of the oldest order in flight, 0 if there is none.", func() float64 { return b.seen.Load().oldest.Seconds() })
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
