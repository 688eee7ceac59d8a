package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// limited runs a gateway behind a trusted proxy on this machine, so that a test chooses
// its clients' addresses. The limits are added to the default ones.
func limited(t *testing.T, limits string) *gatewayTest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("extends: default\nlimits:\n"+limits), 0o600))
	return start(t, map[string]string{
		"GATEWAY_CONFIG": file, "GATEWAY_RATE_LIMITS": "true", "GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8",
	})
}

const (
	neighbour = "203.0.113.7"
	stranger  = "198.51.100.1"
)

// from sends a request from an address.
func (w *gatewayTest) from(t *testing.T, address string, role auth.Role, method, path string) response {
	t.Helper()
	body := "{}"
	if method == http.MethodGet {
		body = ""
	}
	return w.call(t, role, method, path, body, "X-Forwarded-For", address)
}

func TestAClientAboveItsRateIsRefusedUntilABucketHasATokenAgain(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 2, burst: 3}`)
	for range 3 {
		require.Equal(t, 200, w.from(t, neighbour, "", "GET", "/products").StatusCode)
	}
	reached := w.reached()
	r := w.from(t, neighbour, "", "GET", "/products")
	r.problem(t, 429, "rate_limited")
	require.Equal(t, "1", r.Header.Get("Retry-After"))
	require.Equal(t, reached, w.reached(), "no service works for it")
	require.Equal(t, "1", w.metric(t, `troupe_gateway_rate_limited_total{limit="address"}`))
	require.Equal(t, 200, w.from(t, stranger, "", "GET", "/products").StatusCode, "another address")

	w.clock.advance(500 * time.Millisecond)
	require.Equal(t, 200, w.from(t, neighbour, "", "GET", "/products").StatusCode)
	require.Equal(t, 429, w.from(t, neighbour, "", "GET", "/products").StatusCode)
}

func TestResponsesHaveWhatIsLeftOfTheLimits(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 2, burst: 10}`)
	r := w.from(t, neighbour, auth.User, "GET", "/orders")
	require.Equal(t, `"address";q=10;w=5, "user";q=200;w=2`, r.Header.Get("RateLimit-Policy"))
	require.Equal(t, `"address";r=9;t=1, "user";r=199;t=1`, r.Header.Get("RateLimit"))
	for range 9 {
		r = w.from(t, neighbour, auth.User, "GET", "/orders")
	}
	require.Equal(t, `"address";r=0;t=5, "user";r=190;t=1`, r.Header.Get("RateLimit"))
	r = w.from(t, neighbour, auth.User, "GET", "/orders")
	r.problem(t, 429, "rate_limited")
	require.Equal(t, `"address";r=0;t=5`, r.Header.Get("RateLimit"), "the user's limit was not asked")
}

func TestAnAddressIsRefusedBeforeItsTokenIsVerified(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 1, burst: 2}`)
	for range 2 {
		w.call(t, "", "GET", "/orders", "", "X-Forwarded-For", neighbour, "Authorization", "Bearer forged").problem(t, 401, "token_invalid")
	}
	w.call(t, "", "GET", "/orders", "", "X-Forwarded-For", neighbour, "Authorization", "Bearer forged").problem(t, 429, "rate_limited")
}

func TestAUserIsLimitedWhateverTheAddress(t *testing.T) {
	t.Parallel()
	w := limited(t, `  user: {rate: 1, burst: 2}`)
	require.Equal(t, 200, w.from(t, neighbour, auth.User, "GET", "/orders").StatusCode)
	require.Equal(t, 200, w.from(t, stranger, auth.User, "GET", "/payments").StatusCode)
	w.from(t, "192.0.2.99", auth.User, "GET", "/orders").problem(t, 429, "rate_limited")
	require.Equal(t, 200, w.from(t, neighbour, "", "GET", "/products").StatusCode, "public routes do not count for users")
}

func TestAllAddressesOfAnIPv6NetworkCountAsOne(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 1, burst: 2}`)
	require.Equal(t, 200, w.from(t, "2001:db8::1", "", "GET", "/products").StatusCode)
	require.Equal(t, 200, w.from(t, "2001:db8::2:3", "", "GET", "/products").StatusCode)
	require.Equal(t, 429, w.from(t, "2001:db8::ffff:1:1:1", "", "GET", "/products").StatusCode)
	require.Equal(t, 200, w.from(t, "2001:db8:0:1::1", "", "GET", "/products").StatusCode)
}

// M10: one bad neighbour behind an address.
func TestABadNeighbourDelaysTheSignInsOfAnAddressForAMomentOnly(t *testing.T) {
	t.Parallel()
	w := limited(t, "")
	attack := func() (refused int) {
		for range 300 {
			if w.from(t, neighbour, "", "POST", "/token").StatusCode == http.StatusTooManyRequests {
				refused++
			}
		}
		return refused
	}
	require.Equal(t, 200, attack(), "a burst of 100 passes")
	r := w.from(t, neighbour, "", "POST", "/token")
	r.problem(t, 429, "rate_limited")
	require.Equal(t, "1", r.Header.Get("Retry-After"), "however long the attack was")
	require.Equal(t, 200, w.from(t, neighbour, auth.User, "GET", "/orders").StatusCode, "who is signed in goes on")
	require.Equal(t, 200, w.from(t, neighbour, "", "GET", "/products").StatusCode)
	require.Equal(t, 200, w.from(t, stranger, "", "POST", "/token").StatusCode, "other addresses sign in")

	w.clock.advance(time.Second)
	require.Equal(t, 295, attack(), "five a second")
	w.clock.advance(200 * time.Millisecond)
	require.Equal(t, 200, w.from(t, neighbour, "", "POST", "/token").StatusCode, "the owner's sign-in, a moment after")
}

func TestRegistrationsOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	w := limited(t, `  registration: {burst: 2}`)
	for range 2 {
		require.Equal(t, 200, w.from(t, neighbour, "", "POST", "/users").StatusCode)
	}
	w.from(t, neighbour, "", "POST", "/users").problem(t, 429, "rate_limited")
	require.Equal(t, 200, w.from(t, neighbour, "", "POST", "/token").StatusCode)
}

func TestClientsOnThisMachineHaveNoLimitByAddressExceptForPasswords(t *testing.T) {
	t.Parallel()
	w := limited(t, "  address: {rate: 1, burst: 1}\n  sign_in: {rate: 1, burst: 1}")
	for range 20 {
		require.Equal(t, 200, w.call(t, "", "GET", "/products", "").StatusCode)
	}
	require.Equal(t, 200, w.call(t, "", "POST", "/token", "{}").StatusCode)
	w.call(t, "", "POST", "/token", "{}").problem(t, 429, "rate_limited")
}

func TestRateLimitsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_RATE_LIMITS": "false"})
	for range 150 {
		r := w.call(t, "", "POST", "/token", "{}")
		require.Equal(t, 200, r.StatusCode)
		require.Empty(t, r.Header.Get("RateLimit"))
	}
}

func TestPagesOfAllowedOriginsCanReadTheLimits(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://shop.example"})
	r := w.call(t, "", "GET", "/products", "", "Origin", "https://shop.example")
	for _, name := range []string{"RateLimit", "RateLimit-Policy", "Retry-After", "X-Missing-Parts"} {
		require.Contains(t, r.Header.Get("Access-Control-Expose-Headers"), name)
	}
}
