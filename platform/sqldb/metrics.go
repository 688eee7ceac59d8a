package sqldb

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the client of one database, under OpenTelemetry's name
// db.client.operation.duration in Prometheus' form. An operation is a transaction with all its
// statements, or a statement alone.
type metrics struct {
	durations *prometheus.HistogramVec
	// Each operation has its two series from the beginning, so that none is looked up by its labels.
	transactions, statements, queries measured
}

// measured are the series of one operation.
type measured struct{ succeeded, failed prometheus.Observer }

// newMetrics returns the metrics of a database, which runs on sqlite or postgresql.
func newMetrics(system, name string) *metrics {
	m := &metrics{durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:        "db_client_operation_duration_seconds",
		Help:        "Duration of a transaction, of a statement alone, or of a query alone until its first row (db_operation_name); error_type is empty if it succeeded.",
		ConstLabels: prometheus.Labels{"db_system_name": system, "db_namespace": name},
		Buckets:     []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}, // OpenTelemetry's
	}, []string{"db_operation_name", "error_type"})}
	of := func(operation, failure string) measured {
		return measured{m.durations.WithLabelValues(operation, ""), m.durations.WithLabelValues(operation, failure)}
	}
	m.transactions, m.statements, m.queries = of("transaction", "rolled_back"), of("statement", "failed"), of("query", "failed")
	return m
}

func (m measured) since(began time.Time, err error) {
	took := time.Since(began).Seconds()
	if err != nil {
		m.failed.Observe(took)
		return
	}
	m.succeeded.Observe(took)
}
