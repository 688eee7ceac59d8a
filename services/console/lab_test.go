package console_test

import (
	"testing"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

// In these tests no other service runs.

func TestAFaultThatCannotBeCausedIsReported(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin).With("X-Troupe-Console", "1")
		ada.Get(t, "/console/api/lab").Want(t, 200, "items.0.id", "card_declined", "items.0.active", false, "items.13.id", "database_away", "items.14", nil)
		ada.Post(t, "/console/api/lab/flood", nil).Problem(t, 404, "fault_not_found")
		ada.Post(t, "/console/api/lab/broker_away?seconds=121", nil).Problem(t, 422, "validation_failed")
		if status := ada.Post(t, "/console/api/lab/broker_away", nil).Status; status != 503 {
			t.Fatalf("without services: %d", status)
		}
		ada.Get(t, "/console/api/lab").Want(t, 200, "items.9.id", "broker_away", "items.9.active", false)
		h.As("ann", auth.User).Get(t, "/console/api/lab").Problem(t, 403, "role_required")
	})
}

func TestThereIsNoLabInProduction(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin).With("X-Troupe-Console", "1")
		ada.Get(t, "/console/api/lab").Problem(t, 404, "no_lab")
		ada.Post(t, "/console/api/lab/broker_away", nil).Problem(t, 404, "no_lab")
		ada.Delete(t, "/console/api/lab/broker_away").Problem(t, 404, "no_lab")
	}, servicetest.Setting("TROUPE_ENV", "production"), servicetest.Setting("CONSOLE_MODE", "full"))
}

func TestAConsoleThatOnlyShowsCausesNoFault(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin).With("X-Troupe-Console", "1")
		ada.Post(t, "/console/api/lab/broker_away", nil).Problem(t, 403, "console_readonly")
	}, servicetest.Setting("CONSOLE_MODE", "readonly"))
}

func TestServicesThatDoNotAnswerAreShownAsDown(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("ada", auth.Admin).Get(t, "/console/api/services").Want(t, 200, "items.0.name", "gateway", "items.0.state", "unknown", "items.0.probes.0.ok", false, "items.5.name", "notifications")
		h.As("ada", auth.Admin).Get(t, "/console/api/mails").Problem(t, 503, "service_unavailable")
		h.As("ada", auth.Admin).Get(t, "/console/api/traces/unknown").Problem(t, 404, "trace_not_found")
		h.As("ann", auth.User).Get(t, "/console/api/services").Problem(t, 403, "role_required")
	})
}
