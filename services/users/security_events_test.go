package users_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
)

// The owner gets a mail about each of these events.
func TestASignInOnANewDeviceIsPublished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		published := func() int { return len(servicetest.Published[events.UserSignedInOnNewDevice](t, h)) }
		first := signIn(t, h, "ada@example.com", goodPassword)
		require.Zero(t, published(), "the first sign-in after the registration")
		trySignInOn(t, form(h), first.Device, "ada@example.com", goodPassword).Want(t, 200)
		refresh(t, h, first.Refresh)
		require.Zero(t, published(), "the device is known")
		trySignIn(t, form(h), "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
		require.Zero(t, published(), "a failed attempt is no sign-in")

		signIn(t, h, "ada@example.com", goodPassword)
		require.Equal(t, []events.UserSignedInOnNewDevice{{UserID: id}}, servicetest.Published[events.UserSignedInOnNewDevice](t, h))
	})
}

func TestASignInToADormantAccountIsPublished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		signIn(t, h, "ada@example.com", goodPassword)
		h.Advance(90 * 24 * time.Hour)
		h.Settle(t) // deletes the expired session
		signIn(t, h, "ada@example.com", goodPassword)
		require.Equal(t, []events.UserSignedInOnNewDevice{{UserID: id}}, servicetest.Published[events.UserSignedInOnNewDevice](t, h))
	})
}

func TestANewPasswordIsPublished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		change := map[string]any{"current_password": "a guess", "new_password": "a better password still"}
		ada.Post(t, "/users/me/password", change).Problem(t, 422, "password_wrong")
		require.Empty(t, servicetest.Published[events.UserPasswordChanged](t, h))
		change["current_password"] = goodPassword
		ada.Post(t, "/users/me/password", change).Want(t, 200)
		require.Equal(t, []events.UserPasswordChanged{{UserID: id}}, servicetest.Published[events.UserPasswordChanged](t, h))
	})
}
