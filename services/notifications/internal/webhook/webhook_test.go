package webhook_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/safedial"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/webhook"
)

// The vector of the reference libraries of Standard Webhooks.
func TestAKnownMessageHasItsKnownSignature(t *testing.T) {
	t.Parallel()
	m := webhook.Message{
		ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Time: time.Unix(1614265330, 0), Body: []byte(`{"test": 2432232314}`),
		Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	}
	signature, err := m.Signature()
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature)

	m.Secrets = append(m.Secrets, webhook.NewSecret())
	both, err := m.Signature()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(both, signature+" v1,"), both)

	m.Secrets = []string{"whsec_not base64"}
	_, err = m.Signature()
	require.Error(t, err)
}

func TestASecretHasEnoughBytes(t *testing.T) {
	t.Parallel()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhook.NewSecret(), "whsec_"))
	require.NoError(t, err)
	require.Len(t, key, 32) // the specification wants 24 to 64
	require.NotEqual(t, webhook.NewSecret(), webhook.NewSecret())
}

func TestAnEventIsRetriedForThreeDays(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	expires, now, attempts := began.Add(webhook.MaxAge), began, 0
	var waits []time.Duration
	for {
		attempts++
		state, next := webhook.Next("d", attempts, webhook.Response{Status: 503}, now, expires)
		if state == delivery.Expired {
			require.True(t, next.IsZero())
			break
		}
		require.Equal(t, delivery.Deferred, state)
		waits = append(waits, next.Sub(now))
		now = next
	}
	require.LessOrEqual(t, waits[0], 5*time.Second)
	require.Greater(t, now.Sub(began), 60*time.Hour, "the last attempt comes near the end")
	require.Less(t, attempts, 40)
	for _, wait := range waits {
		require.LessOrEqual(t, wait, 8*time.Hour)
		require.Positive(t, wait)
	}
}

func TestAResponseDecidesWhatFollows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	expires := now.Add(webhook.MaxAge)
	for status, want := range map[int]delivery.State{
		200: delivery.Sent, 204: delivery.Sent, 299: delivery.Sent, 410: delivery.Rejected,
		0: delivery.Deferred, 301: delivery.Deferred, 400: delivery.Deferred, 404: delivery.Deferred, 429: delivery.Deferred, 500: delivery.Deferred,
	} {
		state, next := webhook.Next("d", 1, webhook.Response{Status: status}, now, expires)
		require.Equal(t, want, state, status)
		require.Equal(t, want != delivery.Deferred, next.IsZero(), status)
	}
	_, next := webhook.Next("d", 1, webhook.Response{Status: 429, RetryAfter: time.Hour}, now, expires)
	require.Equal(t, now.Add(time.Hour), next)
	_, next = webhook.Next("d", 1, webhook.Response{Status: 429, RetryAfter: 1000 * time.Hour}, now, expires)
	require.Equal(t, now.Add(24*time.Hour), next, "an endpoint cannot put a delivery off for longer")
}

func TestAnEndpointTakesNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			w.WriteHeader(http.StatusInternalServerError)
			for {
				if _, err := w.Write([]byte(strings.Repeat("\x00\xffA", 1000))); err != nil {
					return
				}
			}
		case "/redirect":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case "/later":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	loopback := safedial.Policy{HTTP: true, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	send := func(p safedial.Policy, path string) webhook.Response {
		return webhook.Send(t.Context(), p.Client(10*time.Second), webhook.Message{
			ID: "e", Time: time.Now(), Body: []byte("{}"), URL: server.URL + path, Secrets: []string{webhook.NewSecret()},
		})
	}
	endless := send(loopback, "/endless")
	require.Equal(t, 500, endless.Status)
	require.LessOrEqual(t, len(endless.Reply), 500)
	require.NotContains(t, endless.Reply, "\x00")
	require.Contains(t, send(loopback, "/redirect").Reply, "redirects are not followed")
	require.Equal(t, 2*time.Minute, send(loopback, "/later").RetryAfter)
	require.True(t, send(loopback, "/").Accepted())

	refused := send(safedial.Policy{HTTP: true}, "/")
	require.Zero(t, refused.Status)
	require.Contains(t, refused.Reply, "private network")
	require.NotContains(t, refused.Reply, server.URL)
}
