package gateway

import (
	"log/slog"
	"net/http"

	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/upstream"
)

// writeError writes the problem document for a request without a response, and logs the
// cause, which the client does not see.
func (g *gateway) writeError(w http.ResponseWriter, r *http.Request, service string, why *upstream.Error) {
	if why.Cause != nil && why.Status > http.StatusInternalServerError {
		g.log.LogAttrs(r.Context(), slog.LevelWarn, "no response from a service",
			slog.String("upstream", service), slog.String("code", why.Code), slog.String("error", why.Cause.Error()))
	}
	httpapi.WriteStatus(w, r, why.Status, why.Code, why.Detail, why.RetryAfter)
}
