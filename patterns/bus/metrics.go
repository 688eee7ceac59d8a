package bus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ClientMetrics measure what a service does with messages, under OpenTelemetry's names in
// Prometheus' form. An operation is a batch. The label messaging_system is left out: a service does not know which bus it uses.
type ClientMetrics struct {
	durations         *prometheus.HistogramVec
	messages          *prometheus.CounterVec
	succeeded, failed prometheus.Observer // the series, so that none is looked up by its labels
	good, bad         prometheus.Counter
}

// operationBuckets are those that OpenTelemetry recommends.
var operationBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// NewSendMetrics returns the metrics of a publisher.
func NewSendMetrics() ClientMetrics {
	return newClientMetrics("messaging_client_operation_duration_seconds", "Duration of publishing a batch of events; error_type is empty if all were accepted.",
		"messaging_client_sent_messages_total", "Events that were published, each time that it was tried.",
		prometheus.Labels{"messaging_operation_name": "send", "messaging_destination_name": "troupe.events"}, "publish_failed")
}

// NewProcessMetrics returns the metrics of a service that consumes its queue.
func NewProcessMetrics(service string) ClientMetrics {
	return newClientMetrics("messaging_process_duration_seconds", "Duration of handling a batch of events in one transaction; error_type is empty if it succeeded.",
		"messaging_client_consumed_messages_total", "Events of these batches.",
		prometheus.Labels{"messaging_operation_name": "process", "messaging_destination_name": QueueName(service)}, "handler_failed")
}

func newClientMetrics(duration, help, messages, messagesHelp string, labels prometheus.Labels, failure string) ClientMetrics {
	m := ClientMetrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: duration, Help: help, ConstLabels: labels, Buckets: operationBuckets}, []string{"error_type"}),
		messages:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: messages, Help: messagesHelp, ConstLabels: labels}, []string{"error_type"}),
	}
	m.succeeded, m.failed = m.durations.WithLabelValues(""), m.durations.WithLabelValues(failure)
	m.good, m.bad = m.messages.WithLabelValues(""), m.messages.WithLabelValues(failure)
	return m
}

// Register registers the metrics.
func (m ClientMetrics) Register(r prometheus.Registerer) { r.MustRegister(m.durations, m.messages) }

// Observe counts an operation on a batch of so many events.
func (m ClientMetrics) Observe(took time.Duration, events int, err error) {
	if err != nil {
		m.failed.Observe(took.Seconds())
		m.bad.Add(float64(events))
		return
	}
	m.succeeded.Observe(took.Seconds())
	m.good.Add(float64(events))
}
