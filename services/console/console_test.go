package console_test

import (
	"testing"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

func TestOnlyAdminsReadTheJournal(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Anonymous().Get(t, "/console/api/events").Problem(t, 401, "token_missing")
		h.As("ann", auth.User).Get(t, "/console/api/events").Problem(t, 403, "role_required")
		h.As("ada", auth.Admin).Get(t, "/console/api/events").Want(t, 200)
	})
}
