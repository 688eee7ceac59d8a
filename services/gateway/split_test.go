package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// canary returns a configuration that sends a share of the callers of two routes to a
// server called canary.
func canary(url string, percent int) string {
	split := fmt.Sprintf("split: [{upstream: canary, percent: %d}]}", percent)
	return "extends: default\nroutes:\n" +
		"  - {path: /orders, methods: [GET], upstream: orders, access: authenticated, " + split + "\n" +
		"  - {path: '/orders/{id}', methods: [GET], upstream: orders, access: public, " + split + "\n" +
		"upstreams:\n  canary: {targets: ['" + url + "']}\n"
}

// asUser sends a request with the token of a user and returns who answered.
func (w *gatewayTest) asUser(t *testing.T, user, path string) string {
	t.Helper()
	token, err := w.signer.Sign(auth.Caller{UserID: user, Role: auth.User, SessionID: "s", Expires: w.clock.Now().Add(10 * time.Minute)}, "id", w.clock.Now())
	require.NoError(t, err)
	return w.call(t, "", "GET", path, "", "Authorization", "Bearer "+token).received(t).Service
}

func TestACustomerStaysOnOneVersion(t *testing.T) {
	t.Parallel()
	next := play(t, "canary")
	w, file := startRouting(t, canary(next.URL, 20))
	chosen := map[string]string{}
	for i := range 100 {
		user := fmt.Sprintf("user-%d", i)
		chosen[user] = w.asUser(t, user, "/orders")
		require.Equal(t, chosen[user], w.asUser(t, user, "/orders"), "again")
		require.Equal(t, chosen[user], w.asUser(t, user, "/orders/42"), "on another route, which is public")
	}
	w.reload(t, file, canary(next.URL, 50))
	grown := 0
	for user, before := range chosen {
		now := w.asUser(t, user, "/orders")
		if before == "canary" {
			require.Equal(t, "canary", now, "a larger share takes nobody back")
		} else if now == "canary" {
			grown++
		}
	}
	require.Positive(t, grown)
}

func TestASplitSendsItsShareOfTheCallers(t *testing.T) {
	t.Parallel()
	w, _ := startRouting(t, canary(play(t, "canary").URL, 10))
	counts := map[string]int{}
	for i := range 1000 {
		counts[w.asUser(t, fmt.Sprintf("0197b2c4-7d3e-7000-8000-%012d", i), "/orders")]++
	}
	require.InDelta(t, 100, counts["canary"], 40, "%v", counts)
	require.Equal(t, 1000, counts["canary"]+counts["orders"])
}

func TestStrangersAreSplitByTheirAddress(t *testing.T) {
	t.Parallel()
	text := canary(play(t, "canary").URL, 50)
	file := t.TempDir() + "/gateway.yaml"
	w := start(t, map[string]string{"GATEWAY_CONFIG": writeFile(t, file, text), "GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"})
	counts := map[string]int{}
	for i := range 200 {
		address := fmt.Sprintf("203.0.113.%d", i)
		first := w.call(t, "", "GET", "/orders/42", "", "X-Forwarded-For", address).received(t).Service
		require.Equal(t, first, w.call(t, "", "GET", "/orders/42", "", "X-Forwarded-For", address).received(t).Service)
		counts[first]++
	}
	require.InDelta(t, 100, counts["canary"], 35, "%v", counts)
}
