package gateway

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"troupe/platform/telemetry"
	"troupe/services/gateway/internal/upstream"
)

// problem is a problem document (RFC 9457), of the form that the services use. A
// gateway needs statuses that no service has, 502 and 504 among them.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Code     string `json:"code"`
}

// refuse tells the client why there is no answer, and the log what the client is
// not told.
func (g *gateway) refuse(w http.ResponseWriter, r *http.Request, service string, why *upstream.Refusal) {
	if why.Cause != nil && why.Status > http.StatusInternalServerError {
		g.log.LogAttrs(r.Context(), slog.LevelWarn, "no answer from a service",
			slog.String("upstream", service), slog.String("code", why.Code), slog.String("error", why.Cause.Error()))
	}
	h := w.Header()
	if why.RetryAfter > 0 {
		seconds := (why.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(why.Status)
	_ = json.NewEncoder(w).Encode(problem{ // a client who is gone needs no answer
		Type:     "urn:troupe:problem:" + why.Code,
		Title:    titleOf(why.Status),
		Status:   why.Status,
		Detail:   why.Detail,
		Instance: "urn:troupe:request:" + telemetry.RequestID(r.Context()),
		Code:     why.Code,
	})
}

func titleOf(status int) string {
	if status == upstream.StatusClientClosed {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}
