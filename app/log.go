package app

import (
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	log = telemetry.Logger(writer, s.LogLevel, s.LogFormat.On(os.Stderr))
	return log, writer
}

// registerLogMetrics adds the number of log lines that were dropped.
func registerLogMetrics(r prometheus.Registerer, w *telemetry.LogWriter) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "troupe_log_lines_dropped_total",
		Help: "Log lines of the process that were dropped, because standard error did not take them.",
	}, func() float64 { return float64(w.Dropped()) }))
}
