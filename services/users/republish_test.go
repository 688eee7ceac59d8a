package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

// A service that has lost its copy of the accounts asks for them, and gets each as it is
// now, without those that were deleted.
func TestAccountsArePublishedAgainAsTheyAreNow(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		ada := register(t, h, "ada@example.com")
		signedIn(t, h, "ada@example.com").Patch(t, "/users/me", map[string]any{"name": "Ada King"}).Want(t, 200)
		register(t, h, "bob@example.com")
		signedIn(t, h, "bob@example.com").DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Want(t, 204)
		h.Settle(t)
		before := len(servicetest.Published[events.UserUpdated](t, h))

		h.Consumes(t, events.ProjectionRequested{Projection: "products", Consumer: "orders"})
		h.Settle(t)
		require.Len(t, servicetest.Published[events.UserUpdated](t, h), before, "inventory's")

		h.Consumes(t, events.ProjectionRequested{Projection: "users", Consumer: "notifications"})
		h.Settle(t)
		again := servicetest.Published[events.UserUpdated](t, h)[before:]
		require.Len(t, again, 2)
		require.Equal(t, "admin@troupe.local", again[0].Email)
		require.Equal(t, events.UserUpdated{UserID: ada, Email: "ada@example.com", Name: "Ada King", Locale: "en", Version: 2}, again[1])
	})
}
