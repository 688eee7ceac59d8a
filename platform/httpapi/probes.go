package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
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

// isOperators reports whether the route is for those who run or explore the service, and
// not part of its work.
func isOperators(route string) bool {
	return isProbe(route) || route == "/openapi.json" || route == "/docs" || strings.HasPrefix(route, "/docs/")
}

// Metrics returns a handler that serves the registry to Prometheus.
func Metrics(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func (a *API) addProbes() {
	a.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		if a.config.Live != nil {
			if reason := a.config.Live(); reason != "" {
				WriteProblem(w, r, fault.New(fault.Unavailable, "not_live", "%s", reason))
				return
			}
		}
		writeJSON(w, []byte(`{"status":"ok"}`))
	})
	a.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, []byte(`{"status":"ok","service":"`+a.config.Service+`"}`))
	})
	a.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.readiness(r); err != nil {
			WriteProblem(w, r, err)
			return
		}
		writeJSON(w, a.readyStatus())
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

// readyStatus returns the answer of a service that takes requests.
func (a *API) readyStatus() []byte {
	status := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: "ready"}
	if a.config.Degraded != nil {
		if status.Reason = a.config.Degraded(); status.Reason != "" {
			status.Status = "degraded"
		}
	}
	body, _ := json.Marshal(status) // cannot fail: these are texts
	return body
}

// writeJSON answers with data that everybody may read.
func writeJSON(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Security-Policy"] = dataPolicy
	h.Set("Content-Type", jsonType)
	_, _ = w.Write(body) // the client may have disconnected
}
