package users_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
)

// trySignInOn tries to sign in on a device; "" is an unknown one.
func trySignInOn(t *testing.T, c *servicetest.Client, device, email, password string) *servicetest.Response {
	t.Helper()
	return c.Post(t, "/token", url.Values{"username": {email}, "password": {password}, "device_token": {device}}.Encode())
}

// For 33 minutes a stranger guesses at the admin's password as often as the throttle
// permits. The admin signs in 48 times on a device that is known, and never waits.
func TestAStrangerCannotLockTheOwnerOutOfAKnownDevice(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		device := signIn(t, h, "admin@troupe.local", adminPassword).Device
		stranger, owner := form(h).With("X-Forwarded-For", "198.51.100.1"), form(h).With("X-Forwarded-For", "203.0.113.1")
		guesses, refused := 0, 0
		const step = 33 * time.Minute / 48
		for range 48 {
			for {
				response := trySignIn(t, stranger, "admin@troupe.local", "guess")
				if response.Status == 429 {
					wait, err := strconv.Atoi(response.Header("Retry-After"))
					require.NoError(t, err)
					if time.Duration(wait)*time.Second > step {
						break
					}
					h.Advance(time.Duration(wait) * time.Second)
					continue
				}
				response.Problem(t, 400, "invalid_grant")
				guesses++
			}
			if trySignIn(t, owner, "admin@troupe.local", adminPassword).Status == 429 {
				refused++
			}
			trySignInOn(t, owner, device, "admin@troupe.local", adminPassword).Want(t, 200)
			h.Advance(step)
		}
		require.Less(t, guesses, 20)
		require.Positive(t, refused, "on an unknown device the owner waits")
	})
}

func TestADeviceCookieIsSentAndRead(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		response := trySignIn(t, form(h), "ada@example.com", goodPassword).Want(t, 200)
		cookie, err := http.ParseSetCookie(response.Header("Set-Cookie"))
		require.NoError(t, err)
		require.Equal(t, "troupe_device", cookie.Name)
		require.Equal(t, response.Field(t, "device_token"), cookie.Value)
		require.Equal(t, "/token", cookie.Path)
		require.True(t, cookie.Secure && cookie.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)

		shutOut(t, h, "ada@example.com")
		trySignIn(t, form(h).With("Cookie", "theme=dark; troupe_device="+cookie.Value), "ada@example.com", goodPassword).Want(t, 200)
		require.Empty(t, tryRefresh(t, h, response.Field(t, "refresh_token")).Header("Set-Cookie"))
	})
}

// shutOut fails to sign in until the account's next attempt on an unknown device has to
// wait.
func shutOut(t *testing.T, h *servicetest.Harness, email string) {
	t.Helper()
	for range 5 {
		trySignIn(t, form(h), email, "guess").Problem(t, 400, "invalid_grant")
	}
	trySignIn(t, form(h), email, "guess").Problem(t, 429, "sign_in_throttled")
}

func TestADeviceTokenAuthenticatesNoOne(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		device := signIn(t, h, "ada@example.com", goodPassword).Device
		withToken(h, device).Get(t, "/users/me").Problem(t, 401, "token_invalid")
		tryRefresh(t, h, device).Problem(t, 400, "invalid_grant")
		trySignInOn(t, form(h), device, "ada@example.com", "wrong password").Problem(t, 400, "invalid_grant")
	})
}

func TestGuessesOnAKnownDeviceAreLimitedToo(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		stolen := signIn(t, h, "ada@example.com", goodPassword).Device
		other := signIn(t, h, "ada@example.com", goodPassword).Device
		for range 5 {
			trySignInOn(t, form(h), stolen, "ada@example.com", "guess").Problem(t, 400, "invalid_grant")
		}
		require.Equal(t, "1", trySignInOn(t, form(h), stolen, "ada@example.com", "guess").Problem(t, 429, "sign_in_throttled").Header("Retry-After"))
		trySignInOn(t, form(h), other, "ada@example.com", goodPassword).Want(t, 200)
		trySignIn(t, form(h), "ada@example.com", goodPassword).Want(t, 200)
	})
}

func TestADeviceIsKnownAtOneAccountOnly(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		register(t, h, "eve@example.com")
		shutOut(t, h, "ada@example.com")
		eves := signIn(t, h, "eve@example.com", goodPassword).Device
		for _, device := range []string{eves, "", "troupe_dt1_", "x"} {
			trySignInOn(t, form(h), device, "ada@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		}
		trySignInOn(t, form(h), eves, " EVE@example.com", goodPassword).Want(t, 200)
	})
}

// An address from which others guess, behind one proxy for example, does not keep those
// waiting who have signed in before.
func TestABadNeighbourDoesNotShutOutAKnownDevice(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		device := signIn(t, h, "ada@example.com", goodPassword).Device
		shared := form(h).With("X-Forwarded-For", "198.51.100.1")
		for i := range 30 {
			trySignIn(t, shared, "guess"+strconv.Itoa(i)+"@example.com", "guess").Problem(t, 400, "invalid_grant")
		}
		trySignIn(t, shared, "ada@example.com", goodPassword).Problem(t, 429, "sign_in_throttled")
		trySignInOn(t, shared, device, "ada@example.com", goodPassword).Want(t, 200)
	})
}

func TestTheSignInAndTheSignedInDoNotShutEachOtherOut(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		change := func(current, replacement string) *servicetest.Response {
			return ada.Post(t, "/users/me/password", map[string]any{"current_password": current, "new_password": replacement})
		}
		shutOut(t, h, "ada@example.com")
		change(goodPassword, "a better password still").Want(t, 200)
		for range 5 {
			change("guess", "another password still").Problem(t, 422, "password_wrong")
		}
		change("guess", "another password still").Problem(t, 429, "sign_in_throttled")
		h.Advance(time.Second)
		signIn(t, h, "ada@example.com", "a better password still")
	})
}

// The hashes take their usual time, so that the attempts are checked at the same time.
func TestRightPasswordsAtTheSameTimeAreNeverRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		for range 4 {
			trySignIn(t, form(h), "ada@example.com", "a mistake").Problem(t, 400, "invalid_grant")
		}
		client := form(h).With("X-Forwarded-For", "198.51.100.1")
		statuses := concurrently(15, func(int) int { return trySignIn(t, client, "ada@example.com", goodPassword).Status })
		require.Equal(t, map[int]int{200: 15}, count(statuses))
	}, servicetest.Setting("USERS_PASSWORD_HASH_COST", "standard"))
}

// A stranger who has had an account at the address, or who has known the password, may
// have kept many tokens.
func TestTokensFromBeforeANewPasswordMakeNoDeviceKnown(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		const replacement = "a better password still"
		register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		var renewed tokens
		withToken(h, first.Access).Post(t, "/users/me/password",
			map[string]any{"current_password": goodPassword, "new_password": replacement}).Want(t, 200).JSON(t, &renewed)
		for range 10 {
			trySignIn(t, form(h), "ada@example.com", "guess")
		}
		trySignInOn(t, form(h), first.Device, "ada@example.com", replacement).Problem(t, 429, "sign_in_throttled")
		trySignInOn(t, form(h), renewed.Device, "ada@example.com", replacement).Want(t, 200)
	})
}
