package console_test

import (
	"net/http"
	"testing"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

func TestWhatAServiceRefusesTheConsoleRefusesToo(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"/deliveries/unknown": func(w http.ResponseWriter) { problem(w, 404, "delivery_not_found") },
		"/deliveries/ended":   func(w http.ResponseWriter) { problem(w, 401, "session_revoked") },
		"/deliveries/broken":  func(w http.ResponseWriter) { problem(w, 500, "internal") },
	}
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/mails/unknown").Problem(t, 404, "delivery_not_found")
		ada.Get(t, "/console/api/mails/ended").Problem(t, 401, "session_revoked")
		ada.Get(t, "/console/api/mails/broken").Problem(t, 503, "service_failed")
	}, servicetest.Peer("notifications", func(*servicetest.Harness) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w) })
	}))
}
