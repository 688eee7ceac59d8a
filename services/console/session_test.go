package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/console"
)

// fakeUsers plays the users service: it signs in ada, an admin, and ann, who is none.
type fakeUsers struct {
	mu        sync.Mutex
	away      bool
	h         *servicetest.Harness
	refreshed int
	used      map[string]bool // refresh tokens
	ended     map[string]bool // access tokens whose session has ended
	asked     int             // how often the session was confirmed
	client    string          // the address of the last sign-in
	device    string          // the device of the last sign-in
	devices   bool            // whether those that sign in are told a device
}

// ServeHTTP answers as users does, or 503 while it is away.
func (u *fakeUsers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.away:
		problem(w, 503, "not_ready")
	case r.URL.Path == "/token":
		u.token(w, r)
	case r.URL.Path == "/users/me":
		u.me(w, r)
	default:
		u.logout(w, r)
	}
}

// set changes how users behaves while a stream asks it.
func (u *fakeUsers) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

func (u *fakeUsers) token(w http.ResponseWriter, r *http.Request) {
	name, refresh := strings.TrimSuffix(r.FormValue("username"), "@example.com"), r.FormValue("refresh_token")
	switch {
	case refresh != "" && u.used[refresh]:
		problem(w, 400, "invalid_grant")
		return
	case refresh != "":
		u.used[refresh] = true
		u.refreshed++
		name, _, _ = strings.Cut(refresh, ".")
	case r.FormValue("password") != "right":
		problem(w, 400, "invalid_grant")
		return
	default:
		u.client, u.device = r.Header.Get("X-Forwarded-For"), r.FormValue("device_token")
	}
	role := auth.User
	if name == "ada" {
		role = auth.Admin
	}
	tokens := map[string]string{"access_token": u.h.As(name, role).Token(), "refresh_token": fmt.Sprintf("%s.%d", name, u.refreshed)}
	if u.devices {
		tokens["device_token"] = "known"
	}
	_ = json.NewEncoder(w).Encode(tokens)
}

func (u *fakeUsers) me(w http.ResponseWriter, r *http.Request) {
	u.asked++
	if u.ended[r.Header.Get("Authorization")] {
		problem(w, 401, "session_revoked")
		return
	}
	_, _ = w.Write([]byte(`{"email":"ada@example.com"}`))
}

func (u *fakeUsers) logout(w http.ResponseWriter, r *http.Request) {
	u.ended[r.Header.Get("Authorization")] = true
	w.WriteHeader(204)
}

func problem(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%q,"detail":"no; try again"}`, code)
}

// signIn signs ada in, as the page does.
func (u *fakeUsers) signIn(t *testing.T, h *servicetest.Harness) *servicetest.Client {
	t.Helper()
	page := h.Anonymous().With("X-Troupe-Console", "1")
	return withCookies(t, page, page.Post(t, "/console/api/login", `{"email":"ada@example.com","password":"right"}`).Want(t, 200, "email", "ada@example.com"))
}

// withCookies returns a client that sends the cookies of a response.
func withCookies(t *testing.T, c *servicetest.Client, r *servicetest.Response) *servicetest.Client {
	t.Helper()
	var pairs []string
	for _, text := range r.Headers("Set-Cookie") {
		cookie, err := http.ParseSetCookie(text)
		require.NoError(t, err)
		require.True(t, cookie.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
		require.Equal(t, "/console", cookie.Path)
		require.Zero(t, cookie.Expires)
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	require.Len(t, pairs, 2)
	return c.With("Cookie", strings.Join(pairs, "; "))
}

// withUsers runs a test with a console and the service that signs in.
func withUsers(t *testing.T, test func(t *testing.T, h *servicetest.Harness, u *fakeUsers), o ...servicetest.Option) {
	t.Helper()
	var all sync.Map // of fakeUsers, by harness: one for each database
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		u, _ := all.Load(h)
		test(t, h, u.(*fakeUsers))
	}, append(o, servicetest.Peer("users", func(h *servicetest.Harness) http.Handler {
		u := &fakeUsers{h: h, used: map[string]bool{}, ended: map[string]bool{}}
		all.Store(h, u)
		return u
	}))...)
}

func TestAnAdminSignsInWithAPasswordAndOut(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		page := h.Anonymous().With("X-Troupe-Console", "1").With("X-Forwarded-For", "203.0.113.7")
		page.Post(t, "/console/api/login", `{"email":"ada@example.com","password":"wrong"}`).Problem(t, 400, "invalid_grant")
		page.Post(t, "/console/api/login", `{"email":"ann@example.com","password":"right"}`).Problem(t, 403, "role_required")
		page.Get(t, "/console/api/session").Problem(t, 401, "token_missing")

		ada := u.signIn(t, h)
		require.Equal(t, 1, u.asked)
		ada.Get(t, "/console/api/session").Want(t, 200, "email", "ada@example.com", "environment", "development", "read_only", false, "lab", true)
		ada.Get(t, "/console/api/orders").Want(t, 200)
		left := ada.Post(t, "/console/api/logout", nil).Want(t, 204)
		require.Contains(t, strings.Join(left.Headers("Set-Cookie"), "\n"), "troupe_console=; Path=/console; Max-Age=0")
		ada.Get(t, "/console/api/session").Want(t, 401)
	})
}

func TestTheAddressOfWhoSignsInIsPassedOn(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		h.Anonymous().With("X-Troupe-Console", "1").With("X-Forwarded-For", "203.0.113.7").
			Post(t, "/console/api/login", `{"email":"ada@example.com","password":"right"}`).Want(t, 200)
		require.Equal(t, "203.0.113.7", u.client)
	})
}

func TestABrowserIsKnownAgainWhenItSignsIn(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		u.devices = true
		page := h.Anonymous().With("X-Troupe-Console", "1")
		body := `{"email":"ada@example.com","password":"right"}`
		require.Contains(t, page.Post(t, "/console/api/login", body).Want(t, 200).Headers("Set-Cookie"),
			"troupe_console_device=known; Path=/console/api/login; Max-Age=15552000; HttpOnly; SameSite=Strict")
		require.Empty(t, u.device)
		page.With("Cookie", "troupe_console_device=known").Post(t, "/console/api/login", body).Want(t, 200)
		require.Equal(t, "known", u.device)
		page.With("Cookie", "troupe_console_device="+strings.Repeat("x", 201)).Post(t, "/console/api/login", body).Want(t, 200)
		require.Empty(t, u.device)
	})
}

func TestASessionGoesOnWhenItsAccessTokenEnds(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := u.signIn(t, h)
		h.Advance(9*time.Minute + 45*time.Second)
		next := ada.Get(t, "/console/api/session").Want(t, 200)
		require.Equal(t, 1, u.refreshed)

		// Another tab sends the old cookies at the same time: that must not end the session.
		ada.Get(t, "/console/api/session").Want(t, 200)
		require.Equal(t, 1, u.refreshed)
		withCookies(t, ada, next).Get(t, "/console/api/session").Want(t, 200)
		require.Equal(t, 1, u.refreshed)

		h.Advance(2 * time.Hour)
		ada.Get(t, "/console/api/session").Problem(t, 401, "token_missing")
	})
}

func TestASessionThatUsersHasEndedIsRefused(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := h.As("ada", auth.Admin)
		ada.Get(t, "/console/api/session").Want(t, 200)
		u.ended["Bearer "+ada.Token()] = true
		ada.Get(t, "/console/api/session").Want(t, 200)
		h.Advance(16 * time.Second)
		ada.Get(t, "/console/api/session").Problem(t, 401, "session_revoked")
		require.Equal(t, 2, u.asked, "users is asked once in a while")
	})
}

func TestALinkSignsInOnce(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, _ *fakeUsers) {
		var made struct{ Token string }
		h.As("ann", auth.User).Post(t, "/console/api/links", `{"refresh_token":"ada.first"}`).Problem(t, 403, "role_required")
		h.As("ada", auth.Admin).Post(t, "/console/api/links", `{"refresh_token":"ada.first"}`).Want(t, 201).JSON(t, &made)

		page := h.Anonymous().With("X-Troupe-Console", "1")
		body := map[string]string{"token": made.Token}
		ada := withCookies(t, page, page.Post(t, "/console/api/login/token", body).Want(t, 200, "email", "ada@example.com"))
		ada.Get(t, "/console/api/session").Want(t, 200)
		page.Post(t, "/console/api/login/token", body).Problem(t, 401, "link_used")
		page.Post(t, "/console/api/login/token", `{"token":"guess"}`).Problem(t, 401, "link_used")
	})
}

func TestCookiesOfASecureSiteAreSecure(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, _ *fakeUsers) {
		login := h.Anonymous().With("X-Troupe-Console", "1").With("X-Forwarded-Proto", "https").
			Post(t, "/console/api/login", `{"email":"ada@example.com","password":"right"}`).Want(t, 200)
		for _, cookie := range login.Headers("Set-Cookie") {
			require.Contains(t, cookie, "; Secure")
		}
	})
}

func TestPagesOfOtherSitesChangeNothing(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := u.signIn(t, h).With("X-Troupe-Console", "")
		for _, path := range []string{"login", "login/token", "logout", "sample-order", "dead-letters/replay", "lab/card_declined"} {
			ada.Post(t, "/console/api/"+path, `{}`).Problem(t, 403, "console_header_missing")
		}
		ada.With("X-Troupe-Console", "1").With("Content-Type", "text/plain").Post(t, "/console/api/login", `{}`).Want(t, 415)
	})
}

// An admin looks at the console while users is down, but a session that users has ended must
// not change anything until its token expires.
func TestWithoutUsersASessionChangesForAMinuteAndReadsAsLongAsItsToken(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := u.signIn(t, h)
		u.away = true
		const change = "/console/api/dead-letters/replay"
		h.Advance(59 * time.Second)
		ada.Post(t, change, `{"all":true}`).Want(t, 200)
		h.Advance(time.Second)
		ada.Post(t, change, `{"all":true}`).Problem(t, 503, "users_unavailable")
		ada.Get(t, "/console/api/session").Want(t, 200)
		ada.Get(t, "/console/api/overview").Want(t, 200)
		h.Advance(8*time.Minute + 59*time.Second)
		ada.Get(t, "/console/api/session").Want(t, 200)
		ada.Post(t, change, `{"all":true}`).Problem(t, 503, "users_unavailable")
		h.Advance(time.Second)
		ada.Get(t, "/console/api/session").Problem(t, 503, "users_unavailable")
		u.away = false
		ada.Get(t, "/console/api/session").Want(t, 200)
		u.away = true
		h.Advance(2 * time.Minute)
		left := ada.Post(t, "/console/api/logout", nil).Want(t, 204)
		require.Contains(t, strings.Join(left.Headers("Set-Cookie"), "\n"), "troupe_console=; Path=/console; Max-Age=0")
		h.Advance(15 * time.Minute)
		ada.Get(t, "/console/api/session").Problem(t, 503, "users_unavailable")
		h.Anonymous().With("X-Troupe-Console", "1").Post(t, "/console/api/login", `{"email":"ada@example.com","password":"right"}`).Problem(t, 503, "users_unavailable")
	})
}

func TestAConsoleThatOnlyShowsRefusesChanges(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := u.signIn(t, h)
		ada.Get(t, "/console/api/session").Want(t, 200, "read_only", true, "lab", false)
		for _, path := range []string{"sample-order", "lab/card_declined", "what-comes-next"} {
			ada.Post(t, "/console/api/"+path, `{}`).Problem(t, 403, "console_readonly")
			h.As("ada", auth.Admin).Post(t, "/console/api/"+path, `{}`).Problem(t, 403, "console_readonly")
		}
		ada.Delete(t, "/console/api/lab/card_declined").Problem(t, 403, "console_readonly")
		ada.Get(t, "/console/api/orders").Want(t, 200)
		ada.Post(t, "/console/api/logout", nil).Want(t, 204)
	}, servicetest.Setting("CONSOLE_MODE", "readonly"))
}

func TestAConsoleThatIsOffServesNothing(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.As("ada", auth.Admin).Get(t, "/console/api/session").Problem(t, 404, "route_not_found")
		h.Anonymous().Get(t, "/console/").Problem(t, 404, "route_not_found")
	}, servicetest.Setting("CONSOLE_MODE", "off"))
}

func TestWhatAdminsDoIsListed(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		ada.Post(t, "/console/api/links", `{"refresh_token":"r"}`).Want(t, 201)
		ada.Get(t, "/console/api/actions").Want(t, 200, "items.0.by", "ada", "items.0.action", "POST /console/api/links", "items.0.result", "ok")
	})
}
