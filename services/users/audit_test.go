package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
)

// auditedSince returns the entries after the first n, with the names of the users in
// place of their ids.
func auditedSince(t *testing.T, h *servicetest.Harness, n int, names ...string) []string {
	t.Helper()
	entries := h.Audited(t)[n:]
	for i := range entries {
		entries[i] = strings.NewReplacer(names...).Replace(entries[i])
	}
	return entries
}

func TestEverySignInAndItsRefusalIsAudited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		ada := register(t, h, "ada@example.com")
		h.Anonymous().Post(t, "/users", person("ada@example.com")).Problem(t, 409, "email_taken")
		first := signIn(t, h, "ada@example.com", goodPassword)
		trySignIn(t, form(h), "ada@example.com", "wrong").Problem(t, 400, "invalid_grant")
		trySignIn(t, form(h), "my secret password", "wrong").Problem(t, 400, "invalid_grant")

		refresh(t, h, refresh(t, h, first.Refresh).Refresh)
		tryRefresh(t, h, first.Refresh).Problem(t, 400, "invalid_grant")
		second := withToken(h, signIn(t, h, "ada@example.com", goodPassword).Access)
		second.Post(t, "/logout", nil).Want(t, 204)
		require.Equal(t, []string{
			"ada register ok ada",
			" register refused ",
			"ada sign_in ok ada",
			" sign_in refused ada",
			" sign_in refused ",
			" reuse_refresh_token refused ada",
			"ada sign_in ok ada",
			"ada sign_out ok ada",
		}, auditedSince(t, h, 1, ada, "ada"))
		require.NotContains(t, fmt.Sprint(h.Audited(t)), "secret", "what was typed may be a password")
	})
}

func TestThrottledSignInsAreAudited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		ada := register(t, h, "ada@example.com")
		for range 30 {
			trySignIn(t, form(h), "ada@example.com", "wrong")
		}
		entries := auditedSince(t, h, 0, ada, "ada")
		require.Contains(t, entries, " sign_in refused ada")
		require.Contains(t, entries, " sign_in throttled ada")
	})
}

func TestChangesOfAnAccountAreAudited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		ada := register(t, h, "ada@example.com")
		c := signedIn(t, h, "ada@example.com")
		before := len(h.Audited(t))
		c.Patch(t, "/users/me", map[string]any{"name": "Ada King"}).Want(t, 200)
		c.Post(t, "/users/me/password", map[string]any{"current_password": "wrong", "new_password": "four new grey whales"}).Problem(t, 422, "password_wrong")
		c.Post(t, "/users/me/password", map[string]any{"current_password": goodPassword, "new_password": "four new grey whales"}).Want(t, 200)
		entries := auditedSince(t, h, before, ada, "ada")
		require.Equal(t, []string{"ada change_profile ok ada", "ada change_password refused ada", "ada change_password ok ada"}, entries)
	})
}

func TestADeletionIsAuditedAndErasesNoEntry(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		ada := register(t, h, "ada@example.com")
		asAdmin(t, h).DeleteWith(t, "/users/me", map[string]any{"password": adminPassword}).Problem(t, 409, "last_admin")
		signedIn(t, h, "ada@example.com").DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Want(t, 204)
		entries := auditedSince(t, h, 0, ada, "ada")
		require.True(t, strings.HasPrefix(entries[0], "system create_first_admin ok "))
		require.True(t, slices.ContainsFunc(entries, func(e string) bool { return strings.Contains(e, "delete_account refused") }))
		require.Equal(t, "ada delete_account ok ada", entries[len(entries)-1])
		require.Contains(t, entries, "ada register ok ada", "the log names people by id alone, so nothing has to be erased")
	})
}

// The gateway has no database. An entry names the admin whose token the gateway passes on.
func TestTheAuditLogOfTheGatewayIsKeptHere(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		root := asAdmin(t, h).With("X-Forwarded-For", "203.0.113.9")
		id := register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		admin := root.Get(t, "/users/me").Want(t, 200).Field(t, "id")
		force := map[string]any{"action": "force_breaker", "target": "orders", "detail": "forced_open"}
		before := len(h.Audited(t))
		root.Post(t, "/audit/gateway", force).Want(t, 204)
		ada.Post(t, "/audit/gateway", force).Problem(t, 403, "role_required")
		h.Anonymous().Post(t, "/audit/gateway", force).Problem(t, 401, "token_missing")
		root.Post(t, "/audit/gateway", map[string]any{"action": "", "target": "orders"}).Problem(t, 422, "validation_failed")
		require.Equal(t, []string{
			"root force_breaker ok orders", "ada POST /audit/gateway refused /audit/gateway", "root POST /audit/gateway refused /audit/gateway",
		}, auditedSince(t, h, before, id, "ada", admin, "root"))
		root.Get(t, "/audit/gateway").Want(t, 200, "items.0.actor", admin, "items.0.action", "force_breaker", "items.0.target", "orders",
			"items.0.detail", "forced_open", "items.0.client_address", "203.0.113.9", "items.1", nil)
		root.Get(t, "/audit/users?action=force_breaker").Want(t, 200, "items.0", nil)
		ada.Get(t, "/audit/gateway").Problem(t, 403, "role_required")
	})
}
