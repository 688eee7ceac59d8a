package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// issuer is a users service whose answer a test can set.
type issuer struct {
	*httptest.Server
	answer  atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publishes(body []byte) {
	f := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	i.answer.Store(&f)
}

func (i *issuer) answers(status int) {
	f := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	i.answer.Store(&f)
}

// clock is the verifier's time.
type clock struct{ atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.Store(start.UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.Add(int64(d)) }
func (c *clock) token(t *testing.T, s *Signer) string {
	t.Helper()
	return sign(t, s, ada(c.Now().Add(10*time.Minute)), c.Now())
}

func fetching(i *issuer, c *clock, db sqldb.DB) *Verifier {
	return NewVerifier(VerifierConfig{JWKSURL: i.URL, Now: c.Now, DB: db})
}

// waitForRunningFetch waits for a fetch in the background to end.
func waitForRunningFetch(v *Verifier) {
	v.keys.mu.Lock()
	ended := v.keys.fetching
	v.keys.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

func requireAccepted(t *testing.T, v *Verifier, raw string) {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
}

func requireRefused(t *testing.T, v *Verifier, raw string, kind fault.Kind) {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	require.True(t, fault.Is(err, kind), "%v", err)
}

func TestManyFirstRequestsShareOneFetch(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.publishes(s.JWKS())
	v, raw := fetching(i, c, nil), c.token(t, s)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { requireAccepted(t, v, raw) })
	}
	all.Wait()
	require.EqualValues(t, 1, i.fetches.Load())
}

func TestANewKeyIsFetchedAtItsFirstToken(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	older, newer := newKey(t), newKey(t)
	before, after := newSigner(t, older), newSigner(t, newer, older)
	i.publishes(before.JWKS())
	v := fetching(i, c, nil)
	oldToken := c.token(t, before)
	requireAccepted(t, v, oldToken)

	c.advance(fetchPause)
	i.publishes(after.JWKS())
	requireAccepted(t, v, c.token(t, after))
	requireAccepted(t, v, oldToken)
	require.EqualValues(t, 2, i.fetches.Load())
}

func TestARemovedKeyInvalidatesCachedTokens(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	compromised, good := newSigner(t, newKey(t)), newSigner(t, newKey(t))
	i.publishes(compromised.JWKS())
	v := fetching(i, c, nil)
	raw := c.token(t, compromised)
	requireAccepted(t, v, raw)

	i.publishes(good.JWKS())
	c.advance(refreshInterval + refreshInterval/10)
	requireAccepted(t, v, raw) // for the last time: it starts the refresh
	waitForRunningFetch(v)
	requireRefused(t, v, raw, fault.Unauthenticated)
}

func TestAnEqualKeySetKeepsCachedTokens(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.publishes(s.JWKS())
	v := fetching(i, c, nil)
	raw := c.token(t, s)
	requireAccepted(t, v, raw)
	before := v.keys.current()
	c.advance(refreshInterval + refreshInterval/10)
	requireAccepted(t, v, raw)
	waitForRunningFetch(v)
	require.EqualValues(t, 2, i.fetches.Load())
	require.Same(t, before, v.keys.current())
}

func TestUnknownKeyIDsCauseOneFetchPerPause(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.publishes(s.JWKS())
	v := fetching(i, c, nil)
	requireAccepted(t, v, c.token(t, s))
	f := newForger(t)
	flood := func() {
		for n := range 500 {
			requireRefused(t, v, f.signed(object{"kid": fmt.Sprint("made up ", n)}, nil), fault.Unauthenticated)
		}
	}
	flood()
	require.EqualValues(t, 1, i.fetches.Load())
	c.advance(fetchPause)
	flood()
	require.EqualValues(t, 2, i.fetches.Load())
	requireAccepted(t, v, c.token(t, s))
}

func TestWithoutAnyKeySetVerifyIsUnavailable(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.answers(http.StatusServiceUnavailable)
	v := fetching(i, c, nil)
	requireRefused(t, v, c.token(t, s), fault.Unavailable)
	requireRefused(t, v, "rubbish", fault.Unauthenticated)
	require.EqualValues(t, 1, i.fetches.Load())

	i.publishes(s.JWKS())
	c.advance(firstFetchPause)
	requireAccepted(t, v, c.token(t, s))
}

func TestABadResponseDoesNotReplaceAGoodKeySet(t *testing.T) {
	t.Parallel()
	s := newSigner(t, newKey(t))
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	for name, breakIssuer := range map[string]func(*issuer){
		"down":           func(i *issuer) { i.Close() },
		"error":          func(i *issuer) { i.answers(http.StatusInternalServerError) },
		"empty set":      func(i *issuer) { i.publishes([]byte(`{"keys":[]}`)) },
		"no JSON":        func(i *issuer) { i.publishes([]byte(`<html>`)) },
		"too large":      func(i *issuer) { i.publishes([]byte(`{"keys":[` + strings.Repeat(" ", maxKeySetSize) + `]}`)) },
		"redirect":       func(i *issuer) { i.answer.Store(&redirect) },
		"symmetric keys": func(i *issuer) { i.publishes([]byte(`{"keys":[{"kty":"oct","kid":"x","k":"AAAA"}]}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, c := newIssuer(t), newClock()
			i.publishes(s.JWKS())
			v := fetching(i, c, nil)
			requireAccepted(t, v, c.token(t, s))
			breakIssuer(i)
			c.advance(24 * time.Hour)
			requireAccepted(t, v, c.token(t, s))
			waitForRunningFetch(v)
			requireAccepted(t, v, c.token(t, s))
		})
	}
}

func TestARestartWhileUsersIsDownStillVerifies(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		i, c := newIssuer(t), newClock()
		s := newSigner(t, newKey(t))
		i.publishes(s.JWKS())
		requireAccepted(t, fetching(i, c, db), c.token(t, s))

		i.answers(http.StatusBadGateway)
		restarted := fetching(i, c, db)
		requireAccepted(t, restarted, c.token(t, s))
		waitForRunningFetch(restarted)
		requireAccepted(t, restarted, c.token(t, s))
		requireRefused(t, fetching(i, c, nil), c.token(t, s), fault.Unavailable)

		i.publishes(newSigner(t, newKey(t)).JWKS())
		c.advance(fetchPause)
		requireAccepted(t, restarted, c.token(t, s))
		waitForRunningFetch(restarted)
		requireRefused(t, restarted, c.token(t, s), fault.Unauthenticated)
	}, Migrations)
}

func TestOnlyES256SignatureKeysAreAccepted(t *testing.T) {
	t.Parallel()
	good := strings.TrimSuffix(strings.TrimPrefix(string(newSigner(t, newKey(t)).JWKS()), `{"keys":[`), `]}`)
	set := func(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }
	parsed, err := parseKeySet(set(good,
		`{"kty":"oct","kid":"symmetric","k":"AAAA"}`, `{"kty":"unknown","kid":"x"}`, `7`, `{}`,
		strings.Replace(good, `"use":"sig"`, `"use":"enc"`, 1), strings.Replace(good, `"alg":"ES256"`, `"alg":"HS256"`, 1)))
	require.NoError(t, err)
	require.Len(t, parsed.keys, 1)

	for name, bad := range map[string][]byte{
		"twice the same id": set(good, good),
		"nothing usable":    set(`{"kty":"oct","kid":"symmetric","k":"AAAA"}`),
		"too many":          set(strings.Split(strings.Repeat(`{},`, maxKeys)+good, ",")...),
		"no set":            []byte(`[]`),
	} {
		_, err := parseKeySet(bad)
		require.Error(t, err, name)
	}
	v := NewVerifier(VerifierConfig{Static: []byte("no set"), Now: newClock().Now})
	requireRefused(t, v, newClock().token(t, newSigner(t, newKey(t))), fault.Unavailable)
}
