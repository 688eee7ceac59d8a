package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

// pyeve/eve#564, danielgtaylor/huma#63.
func TestWhatGETReturnsPATCHAccepts(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		var read map[string]any
		ada.Get(t, "/users/me").Want(t, 200).JSON(t, &read)
		ada.Patch(t, "/users/me", read).Want(t, 200)
		ada.With("Content-Type", "application/merge-patch+json").Patch(t, "/users/me", read).Want(t, 200)
		require.Empty(t, servicetest.Published[events.UserUpdated](t, h))
		read["locale"] = "de"
		ada.Patch(t, "/users/me", read).Want(t, 200, "locale", "de")

		for member, value := range map[string]string{
			"id": "x", "email": "eve@example.com", "role": "admin", "created_at": "2026-01-01T12:00:01.000000Z", "updated_at": "2025-01-01T12:00:00.000000Z",
		} {
			body := map[string]any{"name": "Eve", member: value}
			ada.Patch(t, "/users/me", body).Problem(t, 422, "read_only").Want(t, 422, "errors.0.location", "body."+member)
		}
		ada.Get(t, "/users/me").Want(t, 200, "name", "Ada Lovelace", "email", "ada@example.com", "role", "user")
	})
}

func TestAChangeBasedOnAnOldProfileIsRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		old := ada.Get(t, "/users/me").Want(t, 200).Header("ETag")
		now := ada.With("If-Match", old).Patch(t, "/users/me", map[string]any{"name": "From the phone"}).Want(t, 200).Header("ETag")
		require.Equal(t, now, ada.Get(t, "/users/me").Header("ETag"))
		ada.With("If-Match", old).Patch(t, "/users/me", map[string]any{"name": "From the desk"}).Problem(t, 412, "precondition_failed")
		ada.With("If-Match", old).DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Problem(t, 412, "precondition_failed")
		ada.Get(t, "/users/me").Want(t, 200, "name", "From the phone")
		require.Equal(t, 304, ada.With("If-None-Match", now).Get(t, "/users/me").Status)
		ada.With("If-Match", now).DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Want(t, 204)
	})
}

func TestTheTagsOfTwoAccountsDiffer(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		tags := map[string]bool{}
		for _, email := range []string{"ada@example.com", "eve@example.com"} {
			register(t, h, email)
			tags[signedIn(t, h, email).Get(t, "/users/me").Want(t, 200).Header("ETag")] = true
		}
		require.Len(t, tags, 2)
	})
}
