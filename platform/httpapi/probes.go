package httpapi

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"troupe/platform/fault"
)

// isProbe reports whether the path is one that machines request every few seconds.
func isProbe(path string) bool {
	switch path {
	case "/health", "/livez", "/readyz", "/metrics":
		return true
	}
	return false
}

func (a *API) addProbes() {
	a.mux.Handle("GET /metrics", promhttp.HandlerFor(a.config.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	a.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, []byte(`{"status":"ok"}`)) })
	a.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, []byte(`{"status":"ok","service":"`+a.config.Service+`"}`))
	})
	a.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.readiness(r); err != nil {
			WriteProblem(w, r, err)
			return
		}
		writeJSON(w, []byte(`{"status":"ready"}`))
	})
}

// readiness returns why the service cannot take requests, as a fault whose message
// the caller may see, or nil if it can.
func (a *API) readiness(r *http.Request) error {
	if a.config.Ready == nil {
		return nil
	}
	err := a.config.Ready(r.Context())
	if err == nil {
		return nil
	}
	reason := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		reason = f.Message
	}
	return fault.New(fault.Unavailable, "not_ready", "%s", reason).WithCause(err)
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	_, _ = w.Write(body) // the client may have disconnected
}
