package app

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/event"
	"troupe/platform/telemetry"
)

const (
	// longestLog is how many bytes of log lines are held while standard error takes none:
	// a few seconds of a busy service.
	longestLog = 4 << 20
	// logPatience is how long a stop waits for the last lines to be written.
	logPatience = time.Second
)

// logToStandardError returns the log of the system. A reader of standard error
// that stops reading cannot hold up the system.
func logToStandardError(s Settings) (*slog.Logger, *telemetry.LogWriter) {
	var log *slog.Logger
	writer := telemetry.NewLogWriter(os.Stderr, longestLog, func(lines int) {
		log.Warn("log lines were dropped, because standard error did not take them", "lines", lines)
	})
	log = telemetry.Logger(writer, s.LogLevel, s.LogFormat.On(os.Stderr), eventOf)
	return log, writer
}

// eventOf returns the ids of the event that the line is about, if it is written while the
// event is handled, and of the order that the event is about.
func eventOf(ctx context.Context) []slog.Attr {
	e := event.CauseFrom(ctx)
	if e == nil {
		return nil
	}
	attrs := []slog.Attr{slog.String("event_id", e.ID), slog.String("event_type", e.Type)}
	if isAboutOrder(e.Type) {
		attrs = append(attrs, slog.String("order_id", e.CorrelationID))
	}
	return attrs
}

// isAboutOrder reports whether what an event of this type is about, its correlation id, is an order.
func isAboutOrder(eventType string) bool {
	for _, prefix := range []string{"order.", "payment.", "stock.reserved", "stock.rejected", "stock.committed", "stock.released"} {
		if strings.HasPrefix(eventType, prefix) {
			return true
		}
	}
	return false
}

// registerLogMetrics adds the number of log lines that were dropped.
func registerLogMetrics(r prometheus.Registerer, w *telemetry.LogWriter) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "troupe_log_lines_dropped_total",
		Help: "Log lines of the process that were dropped, because standard error did not take them.",
	}, func() float64 { return float64(w.Dropped()) }))
}
