package rabbit

import "github.com/prometheus/client_golang/prometheus"

type metrics struct{ messages, events prometheus.Counter }

func newMetrics() metrics {
	return metrics{
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_rabbit_messages_published_total",
			Help: "Messages that RabbitMQ has confirmed: one for each consumer, with one or several events.",
		}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_rabbit_events_published_total", Help: "Events in these messages.",
		}),
	}
}

// RegisterMetrics registers how much this process publishes.
func (b *Bus) RegisterMetrics(reg prometheus.Registerer) {
	b.metrics.register(reg)
}

// DescribeMetrics registers what RegisterMetrics does, without a bus: for documents.
func DescribeMetrics(reg prometheus.Registerer) { newMetrics().register(reg) }

func (m metrics) register(reg prometheus.Registerer) { reg.MustRegister(m.messages, m.events) }

func (m metrics) count(copies []messageCopy) {
	for _, c := range copies {
		if c.err == nil {
			m.messages.Inc()
			m.events.Add(float64(len(c.messages)))
		}
	}
}
