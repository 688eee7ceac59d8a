package gateway

import (
	"log/slog"
	"net/http"

	"troupe/platform/httpapi"
	"troupe/services/gateway/internal/upstream"
)

// refuse tells the client why there is no answer, and the log what the client is
// not told.
func (g *gateway) refuse(w http.ResponseWriter, r *http.Request, service string, why *upstream.Refusal) {
	if why.Cause != nil && why.Status > http.StatusInternalServerError {
		g.log.LogAttrs(r.Context(), slog.LevelWarn, "no answer from a service",
			slog.String("upstream", service), slog.String("code", why.Code), slog.String("error", why.Cause.Error()))
	}
	httpapi.WriteStatus(w, r, why.Status, why.Code, why.Detail, why.RetryAfter)
}
