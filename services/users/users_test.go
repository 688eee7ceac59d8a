package users_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/timestamp"
	"troupe/services/users"
)

const goodPassword = "four nice grey whales"

// run runs test on each database, with hashes that take almost no time.
func run(t *testing.T, test func(t *testing.T, h *servicetest.Harness), o ...servicetest.Option) {
	t.Helper()
	o = append([]servicetest.Option{
		servicetest.Setting("USERS_PASSWORD_HASH_COST", "insecure"),
		servicetest.Setting("USERS_ADMIN_PASSWORD", adminPassword),
	}, o...)
	servicetest.Run(t, users.Service, func(t *testing.T, h *servicetest.Harness) {
		require.Len(t, servicetest.Published[events.UserRegistered](t, h), 1, "the admin")
		h.Publishes(t, events.UserRegistered{
			UserID: servicetest.Published[events.UserRegistered](t, h)[0].UserID,
			Email:  "admin@troupe.local", Name: "Admin", Locale: "en", Version: 1,
		})
		test(t, h)
	}, o...)
}

const adminPassword = "a bucket full of keys"

func person(email string) map[string]any {
	return map[string]any{"email": email, "password": goodPassword, "name": "Ada Lovelace"}
}

func register(t *testing.T, h *servicetest.Harness, email string) (id string) {
	t.Helper()
	return h.Anonymous().Post(t, "/users", person(email)).Want(t, 201, "email", email).Field(t, "id")
}

// tokens is the response to POST /token.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Device  string `json:"device_token"`
}

func form(h *servicetest.Harness) *servicetest.Client {
	return h.Anonymous().With("Content-Type", "application/x-www-form-urlencoded")
}

func trySignIn(t *testing.T, c *servicetest.Client, email, password string) *servicetest.Response {
	t.Helper()
	return c.Post(t, "/token", url.Values{"username": {email}, "password": {password}}.Encode())
}

func signIn(t *testing.T, h *servicetest.Harness, email, password string) (got tokens) {
	t.Helper()
	trySignIn(t, form(h), email, password).Want(t, 200).JSON(t, &got)
	return got
}

func tryRefresh(t *testing.T, h *servicetest.Harness, token string) *servicetest.Response {
	t.Helper()
	return form(h).Post(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode())
}

func refresh(t *testing.T, h *servicetest.Harness, token string) (got tokens) {
	t.Helper()
	tryRefresh(t, h, token).Want(t, 200).JSON(t, &got)
	return got
}

// withToken returns a client that sends an access token.
func withToken(h *servicetest.Harness, accessToken string) *servicetest.Client {
	return h.Anonymous().With("Authorization", "Bearer "+accessToken)
}

func signedIn(t *testing.T, h *servicetest.Harness, email string) *servicetest.Client {
	t.Helper()
	return withToken(h, signIn(t, h, email, goodPassword).Access)
}

func asAdmin(t *testing.T, h *servicetest.Harness) *servicetest.Client {
	t.Helper()
	return withToken(h, signIn(t, h, "admin@troupe.local", adminPassword).Access)
}

func TestARegisteredUserCanSignInAndIsPublished(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		response := h.Anonymous().Post(t, "/users", map[string]any{
			"email": "  Ada@Example.com ", "password": goodPassword, "name": " Ada ", "locale": "pt-BR",
		})
		response.Want(t, 201, "email", "ada@example.com", "name", "Ada", "role", "user", "locale", "pt-BR",
			"created_at", timestamp.Of(h.Now()), "password", nil, "password_hash", nil)
		require.Equal(t, "/users/me", response.Header("Location"))
		id := response.Field(t, "id")
		h.Publishes(t, events.UserRegistered{UserID: id, Email: "ada@example.com", Name: "Ada", Locale: "pt-BR", Version: 1})

		signed := trySignIn(t, form(h), "ADA@example.com", goodPassword)
		signed.Want(t, 200, "token_type", "bearer", "expires_in", 600)
		require.Equal(t, "no-store", signed.Header("Cache-Control"))
		withToken(h, signed.Field(t, "access_token")).Get(t, "/users/me").Want(t, 200, "id", id, "email", "ada@example.com")
	})
}

func TestAnExpiredTokenDoesNotPreventSignIn(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		first := signIn(t, h, "ada@example.com", goodPassword)
		h.Advance(time.Hour)
		old := withToken(h, first.Access)
		old.Get(t, "/users/me").Problem(t, 401, "token_expired")
		old.Get(t, "/.well-known/jwks.json").Want(t, 200)
		old.Post(t, "/users", person("eve@example.com")).Want(t, 201)
		trySignIn(t, old.With("Content-Type", "application/x-www-form-urlencoded"), "ada@example.com", goodPassword).Want(t, 200)
	})
}

func TestARoleCannotBeChosen(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for _, field := range []string{"role", "is_admin", "Role"} {
			body := person("eve@example.com")
			body[field] = "admin"
			h.Anonymous().Post(t, "/users", body).Problem(t, 422, "validation_failed")
		}
		register(t, h, "eve@example.com")
		eve := signedIn(t, h, "eve@example.com")
		eve.Patch(t, "/users/me", map[string]any{"role": "admin"}).Problem(t, 422, "read_only")
		eve.Get(t, "/users/me").Want(t, 200, "role", "user")
		eve.Get(t, "/users").Problem(t, 403, "role_required")
	})
}

func TestAnEmailAddressHasOneAccount(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		h.Anonymous().Post(t, "/users", person("ADA@EXAMPLE.COM")).Problem(t, 409, "email_taken")
	})
}

func TestOfConcurrentRegistrationsOneGetsTheAddress(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		statuses := concurrently(12, func(int) int { return h.Anonymous().Post(t, "/users", person("ada@example.com")).Status })
		require.Equal(t, map[int]int{201: 1, 409: 11}, count(statuses))
		require.Len(t, servicetest.Published[events.UserRegistered](t, h), 2, "the admin and one more")
	})
}

func TestARepeatedRegistrationGetsTheFirstResponse(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		client := h.Anonymous().With("Idempotency-Key", "form-7")
		first := client.Post(t, "/users", person("ada@example.com")).Want(t, 201)
		second := client.Post(t, "/users", person("ada@example.com")).Want(t, 201)
		require.Equal(t, string(first.Body), string(second.Body))
		require.Len(t, servicetest.Published[events.UserRegistered](t, h), 2)

		other := person("ada@example.com")
		other["password"] = "another long password"
		client.Post(t, "/users", other).Problem(t, 422, "idempotency_key_reused")
		client.Post(t, "/users", person("bob@example.com")).Want(t, 201)
	})
}

func TestBadRegistrationsAreRejected(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for name, c := range map[string]struct {
			field, value, code string
		}{
			"no at":                 {"email", "ada.example.com", "email_invalid"},
			"no dot":                {"email", "ada@localhost", "email_invalid"},
			"a display name":        {"email", "Ada <ada@example.com>", "email_invalid"},
			"a second header":       {"email", "ada@example.com\r\nBcc: all@example.com", "validation_failed"},
			"a Kelvin sign":         {"email", "\u212aim@example.com", "email_invalid"},
			"a capital dotted I":    {"email", "\u0130im@example.com", "email_invalid"},
			"look-alike letters":    {"email", "аda@example.com", "email_invalid"},
			"blank name":            {"name", "   ", "name_invalid"},
			"control characters":    {"name", "Ada\x1b[31m", "validation_failed"},
			"an endless locale":     {"locale", "en-" + strings.Repeat("x", 100), "validation_failed"},
			"short password":        {"password", "short", "password_weak"},
			"common password":       {"password", "password1234", "password_weak"},
			"run of keys":           {"password", "qwertyuiopas", "password_weak"},
			"repeated password":     {"password", "abcabcabcabc", "password_weak"},
			"their own address":     {"password", "xx-lovelace-99", "password_weak"},
			"line feed at the end":  {"password", goodPassword + "\n", "password_control_character"},
			"tab at the beginning":  {"password", "\t" + goodPassword, "password_control_character"},
			"NUL in a name":         {"name", "Ada\x00", "malformed_body"},
			"name of 101 letters":   {"name", fmt.Sprintf("%0101d", 0), "name_invalid"},
			"password of 1 KiB + 1": {"password", fmt.Sprintf("%01025d", 0), "validation_failed"},
		} {
			body := person("lovelace@example.com")
			body[c.field] = c.value
			response := h.Anonymous().Post(t, "/users", body)
			require.Contains(t, []int{400, 422}, response.Status, name)
			response.Want(t, response.Status, "code", c.code)
			require.NotContains(t, string(response.Body), goodPassword)
		}
		h.PublishesNothing(t)
	})
}

// The owner of the ASCII address gets no mail, no conflict and no session of the other's.
func TestAnAddressThatFoldsToAnotherIsNotIt(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for _, folds := range []string{"\u212aim@example.com", "K\u0130M@example.com", "mi\u017f@example.com"} {
			h.Anonymous().Post(t, "/users", person(folds)).Problem(t, 422, "email_invalid")
			trySignIn(t, form(h), folds, goodPassword).Problem(t, 400, "invalid_grant")
		}
		h.PublishesNothing(t)
		register(t, h, "kim@example.com")
		trySignIn(t, form(h), "\u212aim@example.com", goodPassword).Problem(t, 400, "invalid_grant")
		trySignIn(t, form(h), "KIM@example.com", goodPassword).Want(t, 200)
	})
}

// Customers were turned away for the language of their browser; see
// account.TestALanguageTagIsNormalizedAndNeverRefused.
func TestALanguageIsKeptNormalizedAndTurnsNobodyAway(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for sent, kept := range map[string]any{"en-us": "en-US", "de_AT.UTF-8": "de-AT", "C.UTF-8": "en", "i-klingon": "tlh", "": "en", "x-troupe": "x-troupe"} {
			body := person(fmt.Sprintf("speaker%d@example.com", len(sent)))
			body["locale"] = sent
			h.Anonymous().Post(t, "/users", body).Want(t, 201, "locale", kept)
		}
		speaker := signedIn(t, h, "speaker5@example.com")
		speaker.Patch(t, "/users/me", map[string]any{"locale": "ZH-hant-tw"}).Want(t, 200, "locale", "zh-Hant-TW")
		speaker.Patch(t, "/users/me", map[string]any{"locale": nil}).Want(t, 200, "locale", "zh-Hant-TW")
	})
}

// See password.TestAPasswordIsTheSameOnEveryKeyboard.
func TestAPasswordMayBeTypedOnAnotherKeyboard(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		const onWindows, onMac = "vier gr\u00fcne V\u00f6gel", "vier gru\u0308ne Vo\u0308gel"
		body := person("ada@example.com")
		body["password"] = onMac
		h.Anonymous().Post(t, "/users", body).Want(t, 201)
		for _, typed := range []string{onWindows, onMac} {
			ada := withToken(h, signIn(t, h, "ada@example.com", typed).Access)
			ada.Post(t, "/users/me/password", map[string]any{"current_password": onMac, "new_password": onWindows}).Problem(t, 422, "password_unchanged")
		}
	})
}

func TestAUserChangesTheirProfile(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		ada := signedIn(t, h, "ada@example.com")
		h.Publishes(t, events.UserRegistered{UserID: id, Email: "ada@example.com", Name: "Ada Lovelace", Locale: "en", Version: 1})

		ada.Patch(t, "/users/me", map[string]any{"name": "Ada King"}).Want(t, 200, "name", "Ada King", "locale", "en")
		ada.Patch(t, "/users/me", map[string]any{"locale": "fr"}).Want(t, 200, "name", "Ada King", "locale", "fr")
		h.Publishes(t,
			events.UserUpdated{UserID: id, Email: "ada@example.com", Name: "Ada King", Locale: "en", Version: 2},
			events.UserUpdated{UserID: id, Email: "ada@example.com", Name: "Ada King", Locale: "fr", Version: 3})

		ada.Patch(t, "/users/me", map[string]any{"name": "Ada King"}).Want(t, 200)
		ada.Patch(t, "/users/me", map[string]any{}).Want(t, 200, "locale", "fr")
		h.PublishesNothing(t)
		ada.Patch(t, "/users/me", map[string]any{"name": ""}).Problem(t, 422, "name_invalid")
	})
}

func TestADeletedAccountIsErased(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		id := register(t, h, "ada@example.com")
		first, second := signIn(t, h, "ada@example.com", goodPassword), signIn(t, h, "ada@example.com", goodPassword)
		withToken(h, first.Access).DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Want(t, 204)

		require.Equal(t, []events.UserDeleted{{UserID: id, Version: 2}}, servicetest.Published[events.UserDeleted](t, h))
		require.Len(t, servicetest.Published[events.SessionRevoked](t, h), 2)
		require.Empty(t, servicetest.Published[events.SessionsRevoked](t, h), "which consumers of the version before cannot read")
		for _, device := range []tokens{first, second} {
			withToken(h, device.Access).Get(t, "/users/me").Problem(t, 401, "session_revoked")
			tryRefresh(t, h, device.Refresh).Problem(t, 400, "invalid_grant")
		}
		trySignIn(t, form(h), "ada@example.com", goodPassword).Problem(t, 400, "invalid_grant")
		asAdmin(t, h).Get(t, "/users/"+id).Problem(t, 404, "user_not_found")

		var left int64
		require.NoError(t, h.DB.QueryRow(t.Context(), `SELECT count(*) FROM accounts
			WHERE id = $1 AND (email IS NOT NULL OR name <> '' OR password_hash <> '')`, id).Scan(&left))
		require.Zero(t, left, "no personal data is left")
		require.NotEqual(t, id, register(t, h, "ada@example.com"), "the address is free again")
	})
}

func TestNoIdempotencyKeyKeepsADeletedAccount(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		browser := h.Anonymous().With("Idempotency-Key", "sign-up")
		id := browser.Post(t, "/users", person("ada@example.com")).Want(t, 201).Field(t, "id")
		require.Equal(t, id, browser.Post(t, "/users", person("ada@example.com")).Want(t, 201).Field(t, "id"))
		signedIn(t, h, "ada@example.com").DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Want(t, 204)

		var left int64
		require.NoError(t, h.DB.QueryRow(t.Context(), "SELECT count(*) FROM idempotency_keys").Scan(&left))
		require.Zero(t, left, "keys with the address and the name")
		again := browser.Post(t, "/users", person("ada@example.com")).Want(t, 201).Field(t, "id")
		require.NotEqual(t, id, again, "a new account, not the answer about the deleted one")
		signedIn(t, h, "ada@example.com").Get(t, "/users/me").Want(t, 200, "id", again)
	})
}

func TestAStolenAccessTokenDeletesNoAccount(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		register(t, h, "ada@example.com")
		thief := signedIn(t, h, "ada@example.com")
		thief.Delete(t, "/users/me").Problem(t, 400, "malformed_body")
		thief.DeleteWith(t, "/users/me", map[string]any{}).Problem(t, 422, "validation_failed")
		for range 5 {
			thief.DeleteWith(t, "/users/me", map[string]any{"password": "a guess"}).Problem(t, 422, "password_wrong").
				Want(t, 422, "errors.0.location", "body.password")
		}
		thief.DeleteWith(t, "/users/me", map[string]any{"password": goodPassword}).Problem(t, 429, "sign_in_throttled")
		signIn(t, h, "ada@example.com", goodPassword)
		require.Empty(t, servicetest.Published[events.UserDeleted](t, h))
	})
}

func TestTheLastAdminCannotBeDeleted(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		asAdmin(t, h).DeleteWith(t, "/users/me", map[string]any{"password": adminPassword}).Problem(t, 409, "last_admin")
	})
}

func TestAnAdminListsTheUsers(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness) {
		for i := range 5 {
			register(t, h, fmt.Sprintf("user%d@example.com", i))
		}
		admin := asAdmin(t, h)
		first := admin.Get(t, "/users?limit=4").Want(t, 200, "items.0.email", "admin@troupe.local", "items.3.email", "user2@example.com", "items.4", nil)
		second := admin.Get(t, "/users?limit=4&cursor="+first.Field(t, "next_cursor"))
		second.Want(t, 200, "items.0.email", "user3@example.com", "items.1.email", "user4@example.com", "items.2", nil, "next_cursor", nil)
		admin.Get(t, "/users/"+first.Field(t, "items.1.id")).Want(t, 200, "email", "user0@example.com")
		admin.Get(t, "/users/unknown").Problem(t, 404, "user_not_found")
		admin.Get(t, "/users?cursor=nonsense").Problem(t, 422, "cursor_invalid")
		h.Anonymous().Get(t, "/users").Problem(t, 401, "token_missing")
	})
}
