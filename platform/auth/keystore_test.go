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

// issuer is a users service that can be told what to answer.
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
	c.Store(begun.UnixNano())
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

// settle waits for a fetch in the background to end.
func settle(v *Verifier) {
	v.keys.mu.Lock()
	ended := v.keys.fetching
	v.keys.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

func accepts(t *testing.T, v *Verifier, raw string) {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
}

func refuses(t *testing.T, v *Verifier, raw string, kind fault.Kind) {
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
		all.Go(func() { accepts(t, v, raw) })
	}
	all.Wait()
	require.EqualValues(t, 1, i.fetches.Load())
}

func TestANewKeyIsFoundAtItsFirstToken(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	older, newer := newKey(t), newKey(t)
	before, after := newSigner(t, older), newSigner(t, newer, older)
	i.publishes(before.JWKS())
	v := fetching(i, c, nil)
	oldToken := c.token(t, before)
	accepts(t, v, oldToken)

	c.advance(refreshPause)
	i.publishes(after.JWKS())
	accepts(t, v, c.token(t, after))
	accepts(t, v, oldToken)
	require.EqualValues(t, 2, i.fetches.Load())
}

func TestARemovedKeyProvesNothingEvenWhatWasProvedBefore(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	compromised, good := newSigner(t, newKey(t)), newSigner(t, newKey(t))
	i.publishes(compromised.JWKS())
	v := fetching(i, c, nil)
	raw := c.token(t, compromised)
	accepts(t, v, raw)

	i.publishes(good.JWKS())
	c.advance(refreshEvery + refreshEvery/10)
	accepts(t, v, raw) // the last time: it starts the refresh
	settle(v)
	refuses(t, v, raw, fault.Unauthenticated)
}

func TestASetThatSaysTheSameKeepsWhatWasProved(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.publishes(s.JWKS())
	v := fetching(i, c, nil)
	raw := c.token(t, s)
	accepts(t, v, raw)
	before := v.keys.current()
	c.advance(refreshEvery + refreshEvery/10)
	accepts(t, v, raw)
	settle(v)
	require.EqualValues(t, 2, i.fetches.Load())
	require.Same(t, before, v.keys.current())
}

func TestUnknownKeysProvokeOneFetchPerPause(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.publishes(s.JWKS())
	v := fetching(i, c, nil)
	accepts(t, v, c.token(t, s))
	f := newForger(t)
	flood := func() {
		for n := range 500 {
			refuses(t, v, f.changed(object{"kid": fmt.Sprint("made up ", n)}, nil), fault.Unauthenticated)
		}
	}
	flood()
	require.EqualValues(t, 1, i.fetches.Load())
	c.advance(refreshPause)
	flood()
	require.EqualValues(t, 2, i.fetches.Load())
	accepts(t, v, c.token(t, s))
}

func TestNoKeySetAtAllIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), newClock()
	s := newSigner(t, newKey(t))
	i.answers(http.StatusServiceUnavailable)
	v := fetching(i, c, nil)
	refuses(t, v, c.token(t, s), fault.Unavailable)
	refuses(t, v, "rubbish", fault.Unauthenticated)
	require.EqualValues(t, 1, i.fetches.Load())

	i.publishes(s.JWKS())
	c.advance(firstPause)
	accepts(t, v, c.token(t, s))
}

func TestABadAnswerReplacesNoGoodSet(t *testing.T) {
	t.Parallel()
	s := newSigner(t, newKey(t))
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	for name, spoil := range map[string]func(*issuer){
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
			accepts(t, v, c.token(t, s))
			spoil(i)
			c.advance(24 * time.Hour)
			accepts(t, v, c.token(t, s))
			settle(v)
			accepts(t, v, c.token(t, s))
		})
	}
}

func TestARestartWhileUsersIsDownStillVerifies(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		i, c := newIssuer(t), newClock()
		s := newSigner(t, newKey(t))
		i.publishes(s.JWKS())
		accepts(t, fetching(i, c, db), c.token(t, s))

		i.answers(http.StatusBadGateway)
		restarted := fetching(i, c, db)
		accepts(t, restarted, c.token(t, s))
		settle(restarted)
		accepts(t, restarted, c.token(t, s))
		refuses(t, fetching(i, c, nil), c.token(t, s), fault.Unavailable)

		i.publishes(newSigner(t, newKey(t)).JWKS())
		c.advance(refreshPause)
		accepts(t, restarted, c.token(t, s))
		settle(restarted)
		refuses(t, restarted, c.token(t, s), fault.Unauthenticated)
	}, Migrations)
}

func TestOnlyES256SignatureKeysAreTaken(t *testing.T) {
	t.Parallel()
	good := strings.TrimSuffix(strings.TrimPrefix(string(newSigner(t, newKey(t)).JWKS()), `{"keys":[`), `]}`)
	set := func(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }
	parsed, err := parseKeySet(set(good,
		`{"kty":"oct","kid":"symmetric","k":"AAAA"}`, `{"kty":"unheard","kid":"of"}`, `7`, `{}`,
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
	refuses(t, v, newClock().token(t, newSigner(t, newKey(t))), fault.Unavailable)
}
