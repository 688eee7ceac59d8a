package users_test

import (
	"net/url"
	"testing"

	"troupe/app/servicetest"
)

// In production the first admin's password stands in a file or in the environment, where
// others may read it. So it is good for one sign-in, which sets another.
func TestInProductionTheFirstAdminMustChangeThePassword(t *testing.T) {
	production(t, func(t *testing.T, h *servicetest.Harness) {
		const own = "known to me alone"
		send := func(password, replacement string) *servicetest.Response {
			form := form(h)
			return form.Post(t, "/token", url.Values{"username": {"admin@troupe.local"}, "password": {password}, "new_password": {replacement}}.Encode())
		}
		for range 10 { // no guess, so it is not counted as one
			send(adminPassword, "").Problem(t, 403, "password_change_required").Want(t, 403, "error", "password_change_required")
		}
		send("wrong password", own).Problem(t, 400, "invalid_grant")
		send(adminPassword, "short").Problem(t, 422, "password_weak")
		send(adminPassword, adminPassword).Problem(t, 422, "password_unchanged")
		send(adminPassword, "").Problem(t, 403, "password_change_required")

		access := send(adminPassword, own).Want(t, 200).Field(t, "access_token")
		withToken(h, access).Get(t, "/users").Want(t, 200)
		send(own, "").Want(t, 200)
		send(adminPassword, "").Problem(t, 400, "invalid_grant")
		send(own, "yet another password").Problem(t, 400, "invalid_request")
	})
}

func TestOthersNeedNotChangeTheirPassword(t *testing.T) {
	production(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		signIn(t, h, "ada@example.com", goodPassword)
	})
}

// production runs test in production, where hashes take their usual time.
func production(t *testing.T, test func(t *testing.T, h *servicetest.Harness)) {
	t.Helper()
	run(t, test, servicetest.Setting("TROUPE_ENV", "production"), servicetest.Setting("USERS_PASSWORD_HASH_COST", "standard"))
}
