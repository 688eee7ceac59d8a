package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"troupe/platform/httpapi"
	"troupe/platform/netlimit"
)

// drainBody is how long a server waits for the rest of a body that was not read. An
// honest client sends it at once; any other loses its connection after the answer.
const drainBody = time.Second

// serveStartup serves every port, if only to report that its service is still starting.
func (s *System) serveStartup() {
	for _, m := range s.services {
		m.startup = newStartupHandler()
		m.limiter = s.settings.newLimiter(s.logOf(m))
		m.server = &http.Server{
			Handler:           m.limiter.Handler(m.hosts.guard(m.startup)),
			Protocols:         protocols(s.settings.H2C),
			HTTP2:             http2Limits(),
			ConnContext:       netlimit.ConnContext,
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       75 * time.Second,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(s.logOf(m).Handler(), slog.LevelDebug),
		}
		if m.tls != nil {
			m.server.TLSConfig = m.tls.config()
		}
		s.servers.start(func(context.Context) { s.serve(m) })
	}
}

// newLimiter returns the limiter of one server's connections.
func (s Settings) newLimiter(log *slog.Logger) *netlimit.Limiter {
	return netlimit.New(netlimit.Config{
		Connections: s.Connections, ConnectionsPerClient: s.ConnectionsPerClient,
		MinRate: s.MinRate, Grace: s.SlowClient, Drain: drainBody, Now: time.Now, Log: log,
	})
}

// closeConnectionsWhileDraining is the middleware that ends the connection with every
// response while the process drains, so that the client's next request goes to another
// replica.
func (s *System) closeConnectionsWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *System) serve(m *runningService) {
	serve := m.server.Serve
	if m.tls != nil {
		serve = func(l net.Listener) error { return m.server.ServeTLS(l, "", "") }
	}
	if err := serve(m.limiter.Listener(m.listener)); !errors.Is(err, http.ErrServerClosed) {
		s.fail(fmt.Errorf("%s stopped serving: %w", m.service.Name, err))
	}
}

// metricsLimit is how long the server of metrics waits for each part of an exchange.
const metricsLimit = 30 * time.Second

// newMetricsServer returns a server of the service's metrics, and nothing else.
func (s *System) newMetricsServer(m *runningService) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", httpapi.Metrics(m.instance.Env.Registry))
	return &http.Server{
		Handler: mux, ReadTimeout: metricsLimit, WriteTimeout: metricsLimit, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.logOf(m).Handler(), slog.LevelDebug),
	}
}

func (s *System) serveMetrics(m *runningService) {
	if err := m.metricsServer.Serve(m.metrics); !errors.Is(err, http.ErrServerClosed) {
		s.fail(fmt.Errorf("%s stopped serving its metrics: %w", m.service.Name, err))
	}
}

// closeMetrics ends the server of the metrics, which go on while requests finish.
func (m *runningService) closeMetrics() error {
	switch {
	case m.metricsServer != nil:
		return m.metricsServer.Close()
	case m.metrics != nil:
		return m.metrics.Close()
	}
	return nil
}
