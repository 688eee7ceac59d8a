package users_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
)

func TestARefreshTokenIsValidForOneUse(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		h.Advance(9 * time.Minute)
		second := refresh(t, h, first.Refresh)
		require.NotEqual(t, first.Refresh, second.Refresh)
		withToken(h, second.Access).Get(t, "/users/me").Want(t, 200, "id", id)

		h.Advance(2 * time.Minute)
		withToken(h, first.Access).Get(t, "/users/me").Problem(t, 401, "token_expired")
		withToken(h, second.Access).Get(t, "/users/me").Want(t, 200)
		refresh(t, h, second.Refresh)
	})
}

func TestAStolenRefreshTokenEndsTheSession(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		other := signIn(t, h, "ada@example.com", goodPassword)
		first := signIn(t, h, "ada@example.com", goodPassword)
		second := refresh(t, h, first.Refresh)
		h.Advance(11 * time.Second)

		tryRefresh(t, h, first.Refresh).Problem(t, 400, "invalid_grant")
		tryRefresh(t, h, second.Refresh).Problem(t, 400, "invalid_grant")
		withToken(h, second.Access).Get(t, "/users/me").Problem(t, 401, "session_revoked")

		revoked := servicetest.Published[events.SessionRevoked](t, h)
		require.Len(t, revoked, 1)
		require.Equal(t, id, revoked[0].UserID)
		require.True(t, revoked[0].Until.Equal(h.Now().Add(10*time.Minute+auth.Skew)), "until the last access token has expired")
		withToken(h, other.Access).Get(t, "/users/me").Want(t, 200)
	})
}

func TestAnOlderTokenEndsTheSessionEvenAtOnce(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		third := refresh(t, h, refresh(t, h, first.Refresh).Refresh)
		tryRefresh(t, h, first.Refresh).Problem(t, 400, "invalid_grant")
		tryRefresh(t, h, third.Refresh).Problem(t, 400, "invalid_grant")
	})
}

func TestARefreshCanBeRepeatedAfterALostResponse(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		lost := refresh(t, h, first.Refresh)
		h.Advance(9 * time.Second)
		require.Equal(t, lost.Refresh, refresh(t, h, first.Refresh).Refresh)
		refresh(t, h, lost.Refresh)
	})
}

func TestConcurrentRefreshesGetTheSameNextToken(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		next := concurrently(50, func(int) string { return refresh(t, h, first.Refresh).Refresh })
		require.Len(t, count(next), 1)
		require.NotEqual(t, first.Refresh, next[0])
		require.Empty(t, servicetest.Published[events.SessionRevoked](t, h))
		refresh(t, h, next[0])
	})
}

func TestSessionsExpire(t *testing.T) {
	const day = 24 * time.Hour
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		idle := signIn(t, h, "ada@example.com", goodPassword)
		busy := signIn(t, h, "ada@example.com", goodPassword)
		h.Advance(13 * day)
		busy = refresh(t, h, busy.Refresh)
		h.Advance(day)
		tryRefresh(t, h, idle.Refresh).Problem(t, 400, "invalid_grant")
		h.Advance(12 * day)
		busy = refresh(t, h, busy.Refresh)
		h.Advance(4 * day)
		tryRefresh(t, h, busy.Refresh).Problem(t, 400, "invalid_grant")

		h.Settle(t)
		var left int64
		require.NoError(t, h.DB.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&left))
		require.Zero(t, left, "expired sessions are deleted")
	})
}

func TestLoggingOutEndsTheSessionAtOnce(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		ended, other := signIn(t, h, "ada@example.com", goodPassword), signIn(t, h, "ada@example.com", goodPassword)
		require.Equal(t, 204, withToken(h, ended.Access).Post(t, "/logout", nil).Status)

		withToken(h, ended.Access).Get(t, "/users/me").Problem(t, 401, "session_revoked")
		tryRefresh(t, h, ended.Refresh).Problem(t, 400, "invalid_grant")
		withToken(h, other.Access).Get(t, "/users/me").Want(t, 200, "id", id)
		require.Len(t, servicetest.Published[events.SessionRevoked](t, h), 1)
	})
}

func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		kept, other := signIn(t, h, "ada@example.com", goodPassword), signIn(t, h, "ada@example.com", goodPassword)
		ada := withToken(h, kept.Access)
		change := func(current, replacement string) *servicetest.Response {
			return ada.Post(t, "/users/me/password", map[string]any{"current_password": current, "new_password": replacement})
		}
		change("not my password", "a better password still").Problem(t, 422, "password_wrong")
		change(goodPassword, "short").Problem(t, 422, "password_weak")
		change(goodPassword, goodPassword).Problem(t, 422, "password_unchanged")
		var renewed tokens
		change(goodPassword, "a better password still").Want(t, 200, "token_type", "bearer").JSON(t, &renewed)

		ada.Get(t, "/users/me").Want(t, 200)
		withToken(h, renewed.Access).Get(t, "/users/me").Want(t, 200)
		refresh(t, h, renewed.Refresh)
		withToken(h, other.Access).Get(t, "/users/me").Problem(t, 401, "session_revoked")
		tryRefresh(t, h, other.Refresh).Problem(t, 400, "invalid_grant")
		trySignIn(t, form(h), "ada@example.com", goodPassword).Problem(t, 400, "invalid_grant")
		signIn(t, h, "ada@example.com", "a better password still")
	})
}

func TestSessionsThatEndTogetherAreOneEventOfVersion2(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		signIn(t, h, "ada@example.com", goodPassword)
		signIn(t, h, "ada@example.com", goodPassword)
		kept := signIn(t, h, "ada@example.com", goodPassword)
		withToken(h, kept.Access).Post(t, "/users/me/password",
			map[string]any{"current_password": goodPassword, "new_password": "a better password still"}).Want(t, 200)

		revoked := servicetest.Published[events.SessionsRevoked](t, h)
		require.Len(t, revoked, 1)
		require.Equal(t, id, revoked[0].UserID)
		require.Len(t, revoked[0].SessionIDs, 2)
		require.True(t, revoked[0].Until.Equal(h.Now().Add(10*time.Minute+auth.Skew)), "until the last access token has expired")
		require.Empty(t, servicetest.Published[events.SessionRevoked](t, h), "an event is published in one version")
	}, servicetest.Setting("USERS_SESSION_REVOKED_VERSION", "2"))
}

func TestARefreshTokenStolenBeforeANewPasswordIsWorthless(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		stolen := signIn(t, h, "ada@example.com", goodPassword)
		withToken(h, stolen.Access).Post(t, "/users/me/password",
			map[string]any{"current_password": goodPassword, "new_password": "a better password still"}).Want(t, 200)
		tryRefresh(t, h, stolen.Refresh).Problem(t, 400, "invalid_grant")
		withToken(h, stolen.Access).Get(t, "/users/me").Problem(t, 401, "session_revoked")
	})
}

func TestPasswordsAreUsedExactlyAsSent(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		body := person("ada@example.com")
		body["password"] = "  Spaces & + Ünïcode %20 "
		h.Anonymous().Post(t, "/users", body).Want(t, 201)
		signIn(t, h, "ada@example.com", "  Spaces & + Ünïcode %20 ")
		trySignIn(t, form(h), "ada@example.com", "Spaces & + Ünïcode %20").Problem(t, 400, "invalid_grant")
		trySignIn(t, form(h), "ada@example.com", "  spaces & + ünïcode %20 ").Problem(t, 400, "invalid_grant")
	})
}

func TestForgedRefreshTokensAreRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		good := signIn(t, h, "ada@example.com", goodPassword)
		last := good.Refresh[len(good.Refresh)-1]
		for _, forged := range []string{
			"x", "troupe_rt1_", good.Access, good.Refresh + "A", good.Refresh[:len(good.Refresh)-1],
			good.Refresh[:len(good.Refresh)-1] + string(last^1), strings.Replace(good.Refresh, "troupe_rt1_", "troupe_rt2_", 1),
			good.Refresh[:12] + "AAAA" + good.Refresh[16:], good.Refresh + "\n", " " + good.Refresh, "\xff\xfe",
		} {
			response := tryRefresh(t, h, forged)
			require.Contains(t, []int{400, 401}, response.Status, "%q: %s", forged, response.Body)
		}
		refresh(t, h, good.Refresh)
	})
}

func TestTheTokenRequestIsThatOfOAuth(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		right := url.Values{"grant_type": {"password"}, "username": {"ada@example.com"}, "password": {goodPassword}, "scope": {"openid"}, "client_id": {"web"}}
		form(h).Post(t, "/token", right.Encode()).Want(t, 200, "token_type", "bearer")
		form(h).Post(t, "/token", "grant_type=client_credentials").Problem(t, 400, "unsupported_grant_type")
		form(h).Post(t, "/token", "username=ada%40example.com").Problem(t, 400, "invalid_request")
		form(h).Post(t, "/token", "grant_type=refresh_token").Problem(t, 400, "invalid_request")
		require.Equal(t, 400, form(h).Post(t, "/token", right.Encode()+"&username=bob%40example.com").Status)
		require.Equal(t, 415, h.Anonymous().Post(t, "/token", map[string]any{"username": "x"}).Status)
	})
}

// OAuth clients read the member "error" (RFC 6749, section 5.2).
func TestErrorsOfTheTokenRequestAreThoseOfOAuth(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		wrong := url.Values{"username": {"ada@example.com"}, "password": {"wrong password"}}.Encode()
		for name, c := range map[string]struct {
			body   string
			status int
			code   string
		}{
			"wrong password":   {wrong, 400, "invalid_grant"},
			"no such token":    {"grant_type=refresh_token&refresh_token=x", 400, "invalid_grant"},
			"another grant":    {"grant_type=client_credentials", 400, "unsupported_grant_type"},
			"no password":      {"username=ada%40example.com", 400, "invalid_request"},
			"a field twice":    {"username=a&username=b", 400, "invalid_request"},
			"no body":          {"", 400, "invalid_request"},
			"a field too long": {wrong + "&new_password=" + strings.Repeat("x", 2000), 422, "invalid_request"},
		} {
			response := form(h).Post(t, "/token", c.body)
			require.Equal(t, "application/problem+json", response.Header("Content-Type"), name)
			response.Want(t, c.status, "error", c.code)
			require.NotEmpty(t, response.Field(t, "error_description"), name)
		}
		h.Anonymous().Post(t, "/token", map[string]any{}).Want(t, 415, "error", "invalid_request")
		for range 5 {
			form(h).Post(t, "/token", wrong)
		}
		form(h).Post(t, "/token", wrong).Want(t, 429, "error", "temporarily_unavailable", "code", "sign_in_throttled")
		h.Anonymous().Get(t, "/users/me").Want(t, 401, "error", nil)
	})
}

func TestOtherServicesVerifyTokensWithThePublishedKeys(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		token := signIn(t, h, "ada@example.com", goodPassword).Access
		published := h.Anonymous().Get(t, "/.well-known/jwks.json").Want(t, 200, "keys.0.alg", "ES256", "keys.0.use", "sig", "keys.0.d", nil)
		require.Equal(t, "public, max-age=300", published.Header("Cache-Control"))

		var keys json.RawMessage
		published.JSON(t, &keys)
		caller, err := auth.NewVerifier(auth.VerifierConfig{Static: keys, Now: h.Now}).Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, id, caller.UserID)
		require.Equal(t, auth.User, caller.Role)
		require.True(t, caller.Expires.Equal(h.Now().Add(10*time.Minute)))
		h.As(id, auth.Admin).Get(t, "/users").Problem(t, 401, "token_invalid") // signed with another key
	})
}
