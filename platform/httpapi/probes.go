package httpapi

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"troupe/platform/fault"
)

func isProbe(route string) bool {
	switch route {
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
		if err := a.unready(r); err != nil {
			WriteProblem(w, r, err)
			return
		}
		writeJSON(w, []byte(`{"status":"ready"}`))
	})
}

// unready gives the reason as a fault that the caller may see.
func (a *API) unready(r *http.Request) error {
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
	_, _ = w.Write(body) // a caller who is gone needs no answer
}
