package console

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

const (
	apiPrefix     = "/console/api/"
	accessCookie  = "troupe_console"
	refreshCookie = "troupe_console_refresh"
	deviceCookie  = "troupe_console_device"
	// deviceLife is how long users knows a device.
	deviceLife = 180 * 24 * time.Hour
	// soon is how long before its end an access token is replaced.
	soon = 30 * time.Second
	// askedAgain is how often users is asked whether a session still exists.
	askedAgain = 15 * time.Second
	// changesUnconfirmed is how long a session may change something after users has confirmed it
	// for the last time, while users does not answer: one that has ended could go on meanwhile.
	changesUnconfirmed = time.Minute
	// readsUnconfirmed is how long it may read: as long as the other services accept its access
	// token. An admin needs the console most while a service is down.
	readsUnconfirmed = 10 * time.Minute
	// overlap is how long a refresh token that has been used leads to its successor: several
	// requests of a browser may send the same one.
	overlap = time.Minute
)

var errNoConsoleHeader = fault.New(fault.Forbidden, "console_header_missing",
	"send the header X-Troupe-Console: 1, which pages of other sites cannot send")

// sessions are the sessions of admins. Their tokens are in cookies that scripts cannot read,
// so that every replica can serve them.
type sessions struct {
	mu        sync.Mutex
	refreshed map[string]*refreshing // by the refresh token that was used
	seen      map[string]seenSession // by the id of the session
	links     map[string]link        // by the token of the link
}

// refreshing is a use of a refresh token, and then its result.
type refreshing struct {
	done   chan struct{}
	at     time.Time
	tokens tokens
	err    error
}

// seenSession is a session that was used here.
type seenSession struct {
	asked     time.Time // when users was asked about it last
	confirmed time.Time // when users has confirmed it last, or else when it was first seen
	email     string
}

func newSessions() *sessions {
	return &sessions{refreshed: map[string]*refreshing{}, seen: map[string]seenSession{}, links: map[string]link{}}
}

// guard is the middleware of the API. It turns the session's cookie into an access token,
// and refuses changes that a page of another site may have sent, and all changes to a
// console that only shows.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation, isAPI := strings.CutPrefix(r.URL.Path, apiPrefix)
		if !isAPI {
			next.ServeHTTP(w, r)
			return
		}
		if err := c.permits(r, operation); err != nil {
			httpapi.WriteProblem(w, r, err)
			return
		}
		if err := c.authorize(w, r); err != nil && operation != "logout" { // which a browser can always do
			httpapi.WriteProblem(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// harmless are operations that change nothing but the caller's own session, and those that
// have a dry run and refuse everything else themselves.
var harmless = map[string]bool{
	"login": true, "login/token": true, "logout": true, "links": true, "bundle": true,
	"dead-letters/replay": true, "dead-letters/discard": true,
}

// permits returns why a request that changes something is refused, nil if it is not.
func (c *console) permits(r *http.Request, operation string) error {
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead, r.Method == http.MethodOptions:
		return nil
	case r.Header.Get("Authorization") == "" && r.Header.Get("X-Troupe-Console") != "1":
		return errNoConsoleHeader
	case c.Mode == modeReadOnly && !harmless[operation]:
		return errReadOnly
	}
	return nil
}

// authorize puts the access token of the session into the request, unless it has one, and
// makes sure that the session has not ended.
func (c *console) authorize(w http.ResponseWriter, r *http.Request) error {
	token, err := httpapi.BearerToken(r.Header)
	if err != nil {
		return nil //nolint:nilerr // the operation refuses it
	}
	if token == "" {
		if token, err = c.tokenOfCookies(w, r); err != nil || token == "" {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	caller, err := c.Verifier.Verify(r.Context(), token)
	if err != nil || caller.Role != auth.Admin {
		return nil //nolint:nilerr // the operation refuses it
	}
	return c.confirm(r.Context(), caller, token, patienceFor(r.Method))
}

// patienceFor returns how long a session may be used with this method while users does not answer.
func patienceFor(method string) time.Duration {
	if method == http.MethodGet || method == http.MethodHead {
		return readsUnconfirmed
	}
	return changesUnconfirmed
}

// tokenOfCookies returns the access token of the session of a browser, "" if there is none.
// One that ends soon is replaced, or used until then if users does not answer.
func (c *console) tokenOfCookies(w http.ResponseWriter, r *http.Request) (string, error) {
	access, refresh := cookieOf(r, accessCookie), cookieOf(r, refreshCookie)
	left := c.timeLeft(r.Context(), access)
	if left > soon {
		return access, nil
	}
	if refresh == "" {
		return "", nil
	}
	fresh, err := c.refresh(r.Context(), refresh)
	switch {
	case fault.KindOf(err) == fault.Unavailable && left > 0:
		return access, nil
	case fault.KindOf(err) == fault.Unavailable:
		return "", err
	case err != nil:
		c.setCookies(w, r, tokens{})
		return "", nil
	}
	c.setCookies(w, r, fresh)
	return fresh.Access, nil
}

// timeLeft returns how long an access token can be used, 0 if it can't.
func (c *console) timeLeft(ctx context.Context, access string) time.Duration {
	if access == "" {
		return 0
	}
	caller, err := c.Verifier.Verify(ctx, access)
	if err != nil {
		return 0
	}
	return max(caller.Expires.Sub(c.Now()), 0)
}

func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// refresh returns the tokens that follow a refresh token. Requests that send the same one
// get the same tokens: a second use would end the session.
func (c *console) refresh(ctx context.Context, token string) (tokens, error) {
	s := c.sessions
	s.mu.Lock()
	for used, f := range s.refreshed {
		if c.Now().Sub(f.at) > overlap {
			delete(s.refreshed, used)
		}
	}
	f := s.refreshed[token]
	first := f == nil
	if first {
		f = &refreshing{done: make(chan struct{}), at: c.Now()}
		s.refreshed[token] = f
	}
	s.mu.Unlock()
	if !first {
		select {
		case <-f.done:
			return f.tokens, f.err
		case <-ctx.Done():
			return tokens{}, ctx.Err()
		}
	}
	// The other requests need the result even if this one's client goes away.
	f.tokens, f.err = c.askForTokens(context.WithoutCancel(ctx), "", refreshForm(token))
	if f.err != nil {
		s.mu.Lock()
		delete(s.refreshed, token)
		s.mu.Unlock()
	}
	close(f.done)
	return f.tokens, f.err
}

// confirm asks users once in a while whether the session still exists. The console consumes
// no events, so it learns of the end of a session in no other way. While users does not answer,
// the session may be used for the patience after users has confirmed it last, and then confirm
// returns an error. A client that goes away does not end the question: else one that always does would
// use a session that has ended.
func (c *console) confirm(ctx context.Context, caller auth.Caller, token string, patience time.Duration) error {
	ctx = context.WithoutCancel(ctx)
	s, now := c.sessions, c.Now()
	seen, ask := s.see(caller.SessionID, now, patience)
	if !ask {
		return nil
	}
	var me struct {
		Email string `json:"email"`
	}
	err := c.askUsers(ctx, http.MethodGet, "/users/me", asking{authorization: "Bearer " + token}, &me)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[caller.SessionID] = seenSession{asked: now, confirmed: now, email: me.Email}
		return nil
	}
	if fault.CodeOf(err) == "session_revoked" {
		c.revoke(ctx, caller)
		return nil // what asks for the caller refuses it from now on
	}
	if now.Sub(seen.confirmed) >= patience {
		return errUsersAway.WithCause(err)
	}
	return nil
}

// see notes that a session is used, and reports whether users is to be asked about it. While
// one request asks, others of a session that was confirmed lately need not.
func (s *sessions) see(id string, now time.Time, patience time.Duration) (seen seenSession, ask bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, known := s.seen[id]
	if !known {
		seen.confirmed = now
	}
	if known && now.Sub(seen.asked) < askedAgain && now.Sub(seen.confirmed) < patience {
		return seen, false
	}
	for other, o := range s.seen {
		if now.Sub(o.asked) > time.Hour {
			delete(s.seen, other)
		}
	}
	seen.asked = now
	s.seen[id] = seen
	return seen, true
}

// revoke makes this service refuse the tokens of a session that has ended.
func (c *console) revoke(ctx context.Context, caller auth.Caller) {
	err := c.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return c.Revocations.Revoke(ctx, tx, caller.SessionID, caller.Expires)
	})
	if err != nil {
		c.Log.WarnContext(ctx, "a session that has ended could not be revoked here", "session", caller.SessionID, "error", err)
	}
}

// emailOf returns the address of a caller, "" if users has not answered with it.
func (c *console) emailOf(caller auth.Caller) string {
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	return c.sessions.seen[caller.SessionID].email
}

// setCookies gives the browser the tokens of its session; those that are empty are removed.
func (c *console) setCookies(w http.ResponseWriter, r *http.Request, t tokens) {
	for _, cookie := range cookies(t, isHTTPS(r)) {
		w.Header().Add("Set-Cookie", cookie)
	}
}

// isHTTPS reports whether the browser speaks HTTPS, by the header of the gateway.
func isHTTPS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookies returns the cookies of a session, which end with the browser.
func cookies(t tokens, secure bool) []string {
	var all []string
	for _, c := range []struct{ name, value string }{{accessCookie, t.Access}, {refreshCookie, t.Refresh}} {
		cookie := http.Cookie{ //nolint:gosec // without TLS, as on the developer's own machine, a secure cookie would not come back
			Name: c.name, Value: c.value, Path: "/console", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
		}
		if c.value == "" {
			cookie.MaxAge = -1
		}
		all = append(all, cookie.String())
	}
	return all
}

// deviceCookieOf returns the cookie with which users knows the browser of an admin again, so
// that strangers who guess at the password do not keep the admin from signing in. It
// authenticates no one, and stays at a sign-out.
func deviceCookieOf(t tokens, secure bool) []string {
	if t.Device == "" {
		return nil
	}
	cookie := http.Cookie{ //nolint:gosec // as above
		Name: deviceCookie, Value: t.Device, Path: apiPrefix + "login", MaxAge: int(deviceLife.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
	return []string{cookie.String()}
}
