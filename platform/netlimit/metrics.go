package netlimit

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	open         prometheus.Gauge
	refused      *prometheus.CounterVec
	slow         *prometheus.CounterVec
	acceptErrors prometheus.Counter
}

func newMetrics() metrics {
	m := metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_http_connections", Help: "Connections of clients that are open now.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_http_refused_connections_total", Help: "Connections closed at once because there were too many, in all or from one client.",
		}, []string{"limit"}),
		slow: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_http_slow_connections_total", Help: "Waits for a client that ended because it sent or read below the minimum rate.",
		}, []string{"direction"}),
		acceptErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "troupe_http_accept_errors_total", Help: "Failures to accept a connection, for example because no file descriptor was left.",
		}),
	}
	for _, limit := range []string{limitAll, limitClient} {
		m.refused.WithLabelValues(limit) // a rate can only be computed of a counter that began at zero
	}
	for _, direction := range []string{sending, reading} {
		m.slow.WithLabelValues(direction)
	}
	return m
}

// warnEvery is the shortest time between two warnings of one kind: an attack must not
// fill the log.
const warnEvery = 10 * time.Second

// warning logs a repeated event at a bounded rate.
type warning struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	next    time.Time // when the next one may be logged
	skipped int       // since the last one that was
}

func (w *warning) warn(message string, attrs ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if now.Before(w.next) {
		w.skipped++
		return
	}
	w.log.Warn(message, append(attrs, slog.Int("not_logged", w.skipped))...)
	w.next, w.skipped = now.Add(warnEvery), 0
}
