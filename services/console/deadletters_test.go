package console_test

import (
	"testing"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

// In these tests no other service runs.

func TestServicesThatDoNotAnswerAboutDeadLettersAreNamed(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/dead-letters").Want(t, 200, "items.0", nil, "unreachable.0", "inventory", "unreachable.1", "notifications")
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true,"dry_run":true}`).Want(t, 200, "dry_run", true, "failed", 5.0)
		ada.Get(t, "/console/api/dead-letters/kitchen.1").Problem(t, 404, "group_not_found")
		ada.Post(t, "/console/api/dead-letters/replay", `{}`).Problem(t, 422, "nothing_selected")
		ada.Post(t, "/console/api/dead-letters/discard", `{"all":true}`).Problem(t, 422, "reason_required")
		h.As("ann", auth.User).Get(t, "/console/api/dead-letters").Problem(t, 403, "role_required")
	})
}

func TestAConsoleThatOnlyShowsChangesNoDeadLetter(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true}`).Problem(t, 403, "console_readonly")
		ada.Post(t, "/console/api/dead-letters/discard", `{"all":true,"reason":"repaired"}`).Problem(t, 403, "console_readonly")
		ada.Post(t, "/console/api/dead-letters/replay", `{"all":true,"dry_run":true}`).Want(t, 200)
	}, servicetest.Setting("CONSOLE_MODE", "readonly"))
}
