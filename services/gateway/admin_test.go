package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// breakerState is a circuit breaker as an admin sees it.
type breakerState struct {
	Upstream, State          string
	Forced                   bool
	Calls, Failures, Refused int
	Since                    time.Time
	History                  []struct {
		From, To, Reason string
		Forced           bool
		At               time.Time
	}
}

func (w *gatewayTest) showBreaker(t *testing.T, upstream string) (b breakerState) {
	t.Helper()
	r := w.call(t, auth.Admin, "GET", "/admin/breakers/"+upstream, "")
	require.Equal(t, 200, r.StatusCode, string(r.body))
	require.NoError(t, json.Unmarshal(r.body, &b))
	return b
}

func (w *gatewayTest) setBreaker(t *testing.T, upstream, body string) {
	t.Helper()
	r := w.call(t, auth.Admin, "PUT", "/admin/breakers/"+upstream, body, "Content-Type", "application/json")
	require.Equal(t, 200, r.StatusCode, string(r.body))
}

func TestAnAdminSeesWhyACircuitOpened(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	require.Empty(t, w.showBreaker(t, "orders").History)
	w.services["orders"].respondWith(500)
	for range 11 {
		w.call(t, auth.User, "GET", "/orders", "")
	}
	b := w.showBreaker(t, "orders")
	require.Equal(t, "OPEN", b.State)
	require.False(t, b.Forced)
	require.Equal(t, 1, b.Refused)
	require.Len(t, b.History, 1)
	require.Equal(t, "10 failures in a row", b.History[0].Reason)
	require.Equal(t, w.clock.Now(), b.History[0].At)
	require.Equal(t, w.clock.Now(), b.Since)
	require.NotEqual(t, "0", w.metric(t, `troupe_gateway_breaker_last_change_timestamp_seconds{upstream="orders"}`))

	var list struct{ Items []breakerState }
	require.NoError(t, json.Unmarshal(w.call(t, auth.Admin, "GET", "/admin/breakers", "").body, &list))
	require.Len(t, list.Items, len(names))
	require.Equal(t, "console", list.Items[0].Upstream)
	require.Equal(t, "CLOSED", list.Items[0].State)
}

func TestAnAdminForcesACircuitOpenAndReleasesIt(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.setBreaker(t, "orders", `{"state":"forced_open","reason":"repair"}`)
	refused := w.call(t, auth.User, "GET", "/orders", "")
	refused.problem(t, 503, "circuit_open")
	require.Contains(t, string(refused.body), "closed for maintenance", "it does not fail")
	require.Zero(t, w.services["orders"].calls.Load(), "nothing reaches it")
	w.clock.advance(time.Hour)
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "circuit_open")
	w.call(t, auth.User, "GET", "/products", "").received(t)
	b := w.showBreaker(t, "orders")
	require.True(t, b.Forced)
	require.Equal(t, "set to forced_open by ann: repair", b.History[0].Reason)
	require.Equal(t, "1", w.metric(t, `troupe_gateway_breaker_forced{upstream="orders"}`))
	require.Equal(t, 1, w.log.count(`msg="circuit breaker set by an admin" upstream=orders state=forced_open admin=ann reason=repair`))

	w.setBreaker(t, "orders", `{"state":"auto"}`)
	w.call(t, auth.User, "GET", "/orders", "").received(t)
	require.Equal(t, "0", w.metric(t, `troupe_gateway_breaker_forced{upstream="orders"}`))
	require.Equal(t, "set to auto by ann", w.showBreaker(t, "orders").History[0].Reason)
}

func TestACircuitThatIsForcedClosedLetsFailuresPass(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.setBreaker(t, "orders", `{"state":"forced_closed"}`)
	w.services["orders"].respondWith(500)
	for range 30 {
		require.Equal(t, 500, w.call(t, auth.User, "GET", "/orders", "").StatusCode)
	}
	require.Equal(t, "CLOSED", w.showBreaker(t, "orders").State)
}

func TestOnlyAdminsSeeAndForceCircuits(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, path := range []string{"/admin/breakers", "/admin/breakers/orders"} {
		w.call(t, "", "GET", path, "").problem(t, 401, "token_missing")
		w.call(t, auth.User, "GET", path, "").problem(t, 403, "role_required")
	}
	w.call(t, auth.User, "PUT", "/admin/breakers/orders", `{"state":"forced_open"}`).problem(t, 403, "role_required")
	w.call(t, auth.Admin, "PUT", "/admin/breakers/orders", `{"state":"half_open"}`, "Content-Type", "application/json").problem(t, 422, "validation_failed")
	w.call(t, auth.Admin, "PUT", "/admin/breakers/orderz", `{"state":"auto"}`, "Content-Type", "application/json").problem(t, 404, "upstream_not_found")
	require.Equal(t, "CLOSED", w.showBreaker(t, "orders").State)
}

func TestForgedAdminTokensCountForTheirAddress(t *testing.T) {
	t.Parallel()
	w := limited(t, `  address: {rate: 1, burst: 2}`)
	forged := func() response {
		return w.call(t, "", "GET", "/admin/breakers", "", "X-Forwarded-For", neighbour, "Authorization", "Bearer forged")
	}
	forged().problem(t, 401, "token_invalid")
	forged().problem(t, 401, "token_invalid")
	forged().problem(t, 429, "rate_limited")
}

func TestAForcedCircuitAndUsedTokensSurviveAReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte("extends: default\n"+text), 0o600)) }
	write("limits:\n  registration: {burst: 1}\n")
	w := start(t, map[string]string{"GATEWAY_CONFIG": file, "GATEWAY_RATE_LIMITS": "true"})
	w.setBreaker(t, "orders", `{"state":"forced_open","reason":"repair"}`)
	require.Equal(t, 200, w.call(t, "", "POST", "/users", "{}").StatusCode)

	write("limits:\n  registration: {burst: 1}\nupstreams:\n  orders: {timeout: 3s}\n")
	require.NoError(t, w.instance.Components.Reload(t.Context()))
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "circuit_open")
	require.Equal(t, "kept over a reload: set to forced_open by ann: repair", w.showBreaker(t, "orders").History[0].Reason)
	w.call(t, "", "POST", "/users", "{}").problem(t, 429, "rate_limited")
}

// The audit log is at the users service. What is not recorded there is not done.
func TestACircuitIsForcedOnlyWithAnEntryInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	users := w.services["users"]
	force := func(state string) response {
		return w.call(t, auth.Admin, "PUT", "/admin/breakers/users", `{"state":"`+state+`"}`, "Content-Type", "application/json")
	}
	entries := make(chan received, 1)
	users.setHandler(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		entries <- received{"users", r.Method, r.RequestURI, r.Header, string(body)}
		rw.WriteHeader(http.StatusNoContent)
	})
	require.Equal(t, 200, force("forced_open").StatusCode)
	entry := <-entries
	require.Equal(t, "POST /audit/gateway", entry.Method+" "+entry.URI)
	require.JSONEq(t, `{"action":"force_breaker","target":"users","detail":"forced_open"}`, entry.Body)
	require.Equal(t, "127.0.0.1", entry.Header.Get("X-Forwarded-For"))
	require.NotEmpty(t, entry.Header.Get("X-Request-Id"))
	require.Contains(t, entry.Header.Get("Authorization"), "Bearer ")
	require.Equal(t, 200, force("auto").StatusCode, "the circuit is open, and the entry does not pass it")
	<-entries

	for status, code := range map[int]string{500: "audit_unavailable", 401: "token_refused", 403: "token_refused"} {
		users.respondWith(status)
		answer := map[string]int{"audit_unavailable": 503, "token_refused": 401}[code]
		force("forced_open").problem(t, answer, code)
	}
	users.Close()
	force("forced_open").problem(t, 503, "audit_unavailable")
	require.Equal(t, "CLOSED", w.showBreaker(t, "users").State)
}

// Two admins who have seen the same state do not overrule each other without knowing.
func TestAnAdminForcesACircuitAsItWasSeen(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	seen := w.call(t, auth.Admin, "GET", "/admin/breakers/orders", "").Header.Get("ETag")
	require.Equal(t, 304, w.call(t, auth.Admin, "GET", "/admin/breakers/orders", "", "If-None-Match", seen).StatusCode)
	force := func(state, tag string) response {
		return w.call(t, auth.Admin, "PUT", "/admin/breakers/orders", `{"state":"`+state+`"}`, "Content-Type", "application/json", "If-Match", tag)
	}
	w.services["orders"].respondWith(500)
	for range 11 {
		w.call(t, auth.User, "GET", "/orders", "")
	}
	first := force("forced_open", seen)
	require.Equal(t, 200, first.StatusCode, "it has opened by itself, which no admin has decided")
	force("forced_closed", seen).problem(t, 412, "precondition_failed")
	require.Equal(t, "OPEN", w.showBreaker(t, "orders").State)
	require.Equal(t, 200, force("auto", first.Header.Get("ETag")).StatusCode)
}

func TestACircuitThatIsForcedForATimeIsReleased(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.setBreaker(t, "orders", `{"state":"forced_open","seconds":1}`)
	require.Eventually(t, func() bool { return !w.showBreaker(t, "orders").Forced }, time.Minute, 50*time.Millisecond)
	history := w.showBreaker(t, "orders").History
	require.Equal(t, "the time for which it was forced is over", history[0].Reason)
	require.True(t, history[1].Forced)
	w.call(t, auth.User, "GET", "/orders", "").received(t)
	w.call(t, auth.Admin, "PUT", "/admin/breakers/orders", `{"state":"forced_open","seconds":0}`, "Content-Type", "application/json").problem(t, 422, "validation_failed")
}
