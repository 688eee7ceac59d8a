package gateway_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

// replyWith makes a service answer a GET of these paths, by path or by path and query;
// anything else is 404.
func (s *stubService) replyWith(bodies map[string]string) {
	s.setHandler(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if exact, found := bodies[r.URL.Path+"?"+r.URL.RawQuery]; found {
			body, ok = exact, true
		}
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"code":"order_not_found"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	})
}

// shop runs a gateway in front of services with one order.
func shop(t *testing.T, environ map[string]string) *gatewayTest {
	t.Helper()
	w := start(t, environ)
	w.services["users"].replyWith(map[string]string{"/users/me": `{"name":"Ann"}`})
	w.services["orders"].replyWith(map[string]string{
		"/orders?limit=5&user_id=ann": `{"items":[{"id":"o1"}]}`, "/orders/o1": `{"id":"o1","status":"confirmed"}` + "\n",
	})
	w.services["payments"].replyWith(map[string]string{
		"/payments?limit=5": `{"items":[{"id":"p1"}]}`, "/payments?order_id=o1": `{"items":[{"id":"p1"}]}`,
	})
	w.services["notifications"].replyWith(map[string]string{
		"/notifications?unread=true": `{"items":[{"id":"n1"},{"id":"n2"}]}`, "/notifications?limit=100&order_id=o1": `{"items":[{"id":"n1"}]}`,
	})
	return w
}

const (
	wholeOverview = `{"profile":{"name":"Ann"},"orders":[{"id":"o1"}],"payments":[{"id":"p1"}],"notifications":[{"id":"n1"},{"id":"n2"}]}`
	wholeOrder    = `{"id":"o1","status":"confirmed","payment":{"id":"p1"},"notifications":[{"id":"n1"}]}`
	expandAll     = "/orders/o1?expand=payment,notifications"
)

func TestAnOverviewJoinsTheResponsesOfFourServices(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	for _, role := range []auth.Role{auth.User, auth.Admin} {
		r := w.call(t, role, "GET", "/me/overview", "")
		require.Equal(t, 200, r.StatusCode)
		require.JSONEq(t, wholeOverview, string(r.body))
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"))
		require.Empty(t, r.Header.Get("X-Missing-Parts"))
	}
	head := w.call(t, auth.User, "HEAD", "/me/overview", "")
	require.Equal(t, 200, head.StatusCode)
	require.Empty(t, head.body)
	w.call(t, "", "GET", "/me/overview", "").problem(t, 401, "token_missing")
	w.call(t, auth.User, "POST", "/me/overview", "{}").problem(t, 405, "method_not_allowed")
}

func TestAnOrderIsExpandedWithWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	for query, want := range map[string]string{
		"?expand=payment,notifications":          wholeOrder,
		"?expand=payment&expand=notifications":   wholeOrder,
		"?expand=payment,payment":                `{"id":"o1","status":"confirmed","payment":{"id":"p1"}}`,
		"?expand=notifications":                  `{"id":"o1","status":"confirmed","notifications":[{"id":"n1"}]}`,
		"?expand=&fields=all":                    `{"id":"o1","status":"confirmed"}`,
		"":                                       `{"id":"o1","status":"confirmed"}`,
		"?expand=%20payment,%20notifications%20": wholeOrder,
	} {
		r := w.call(t, auth.User, "GET", "/orders/o1"+query, "")
		require.Equal(t, 200, r.StatusCode, query)
		require.JSONEq(t, want, string(r.body), query)
	}
	reached := w.services["orders"].calls.Load()
	w.call(t, auth.User, "GET", "/orders/o1?expand=invoice", "").problem(t, 422, "expand_unknown")
	require.Equal(t, reached, w.services["orders"].calls.Load())
}

func TestAnOrderWithoutAPaymentYetHasNoneAndMissesNothing(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	w.services["payments"].replyWith(map[string]string{"/payments?order_id=o1": `{"items":[]}`})
	r := w.call(t, auth.User, "GET", "/orders/o1?expand=payment", "")
	require.JSONEq(t, `{"id":"o1","status":"confirmed","payment":null}`, string(r.body))
}

// hang returns a handler that answers when the request is given up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func answer(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

// breakages are the ways in which a part fails, and their codes.
var breakages = map[string]struct {
	handler http.HandlerFunc
	code    string
}{
	"that hangs": {hang, "upstream_timeout"},
	"that stops in the middle": {func(w http.ResponseWriter, r *http.Request) {
		answer("application/json", `{"items":[`)(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, "upstream_timeout"},
	"that breaks off": {func(w http.ResponseWriter, r *http.Request) {
		answer("application/json", `{"items":[`)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, "upstream_broke_off"},
	"that fails with a problem": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, `{"code":"internal"}`)
	}, "internal"},
	"that fails without one":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "upstream_error"},
	"that redirects":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, "upstream_error"},
	"that forbids it":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "upstream_error"},
	"with half a JSON":        {answer("application/json", `{"items":[`), "upstream_invalid"},
	"with another media type": {answer("text/html", `{"items":[]}`), "upstream_invalid"},
	"with no list":            {answer("application/json", `{"items":7}`), "upstream_invalid"},
	"with null":               {answer("application/json", `null`), "upstream_invalid"},
	"with nothing":            {answer("application/json", ``), "upstream_invalid"},
	"with a megabyte":         {answer("application/json", `{"items":["`+strings.Repeat("x", 1<<20)+`"]}`), "upstream_invalid"},
	"with a code that is none": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(418)
		_, _ = io.WriteString(w, `{"code":"<b>"}`)
	}, "upstream_error"},
}

func TestAPartThatFailsIsNamedAndTheRestIsSent(t *testing.T) {
	t.Parallel()
	for name, b := range breakages {
		t.Run("payments "+name, func(t *testing.T) {
			t.Parallel()
			w := shop(t, map[string]string{"GATEWAY_PART_TIMEOUT": "300ms"})
			w.services["payments"].setHandler(b.handler)
			missing := `"missing":[{"part":"payments","code":"` + b.code + `"}]`
			r := w.call(t, auth.User, "GET", "/me/overview", "")
			require.Equal(t, 200, r.StatusCode)
			require.JSONEq(t, `{"profile":{"name":"Ann"},"orders":[{"id":"o1"}],"notifications":[{"id":"n1"},{"id":"n2"}],`+missing+`}`, string(r.body))
			require.Equal(t, "payments", r.Header.Get("X-Missing-Parts"))
			require.Equal(t, "1", w.metric(t, `troupe_gateway_missing_parts_total{part="payments"}`))
			require.Equal(t, 1, w.log.count(`msg="response without a part"`))

			r = w.call(t, auth.User, "GET", expandAll, "")
			require.Equal(t, 200, r.StatusCode)
			require.JSONEq(t, `{"id":"o1","status":"confirmed","notifications":[{"id":"n1"}],"missing":[{"part":"payment","code":"`+b.code+`"}]}`, string(r.body))
		})
	}
}

func TestPartsMissTogether(t *testing.T) {
	t.Parallel()
	w := shop(t, map[string]string{"GATEWAY_PART_TIMEOUT": "300ms"})
	w.services["users"].Close()
	w.services["notifications"].setHandler(hang)
	r := w.call(t, auth.User, "GET", "/me/overview", "")
	require.Equal(t, 200, r.StatusCode)
	require.JSONEq(t, `{"orders":[{"id":"o1"}],"payments":[{"id":"p1"}],
		"missing":[{"part":"profile","code":"upstream_unreachable"},{"part":"notifications","code":"upstream_timeout"}]}`, string(r.body))
	require.Equal(t, []string{"profile", "notifications"}, r.Header.Values("X-Missing-Parts"))

	for _, name := range names {
		w.services[name].respondWith(500)
	}
	r = w.call(t, auth.User, "GET", "/me/overview", "")
	require.Equal(t, 200, r.StatusCode, "never a failure of the whole")
	var empty struct{ Missing []any }
	require.NoError(t, json.Unmarshal(r.body, &empty))
	require.Len(t, empty.Missing, 4)
}

func TestPartsAreFetchedInParallel(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	began := make(chan string, 8)
	release := make(chan struct{})
	for _, name := range []string{"users", "orders", "payments", "notifications"} {
		inner := *w.services[name].handler.Load()
		w.services[name].setHandler(func(rw http.ResponseWriter, r *http.Request) {
			began <- name
			<-release
			inner(rw, r)
		})
	}
	done := make(chan response)
	go func() { done <- w.call(t, auth.User, "GET", "/me/overview", "") }()
	for range 4 {
		<-began // all four, before any has answered
	}
	close(release)
	require.JSONEq(t, wholeOverview, string((<-done).body))
}

func TestWithoutItsOrderThereIsNothingToExpand(t *testing.T) {
	t.Parallel()
	w := shop(t, map[string]string{"GATEWAY_TRY_TIMEOUT": "300ms"})
	r := w.call(t, auth.User, "GET", "/orders/o2?expand=payment", "")
	require.Equal(t, 404, r.StatusCode)
	require.JSONEq(t, `{"code":"order_not_found"}`, string(r.body), "as without expand")
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))

	w.services["orders"].setHandler(answer("application/json", `[]`))
	w.call(t, auth.User, "GET", expandAll, "").problem(t, 502, "upstream_invalid")
	w.services["orders"].setHandler(hang)
	w.services["payments"].setHandler(hang) // is given up with the order
	w.call(t, auth.User, "GET", expandAll, "").problem(t, 504, "upstream_timeout")
	w.services["orders"].Close()
	w.call(t, auth.User, "GET", expandAll, "").problem(t, 503, "upstream_unreachable")
}

func TestATokenThatAServiceRefusesFailsTheWhole(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	w.services["payments"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.Header().Set("WWW-Authenticate", "Bearer")
		rw.WriteHeader(401)
		_, _ = io.WriteString(rw, `{"code":"session_revoked"}`)
	})
	for _, path := range []string{"/me/overview", expandAll} {
		r := w.call(t, auth.User, "GET", path, "")
		require.Equal(t, 401, r.StatusCode, path)
		require.Equal(t, "Bearer", r.Header.Get("WWW-Authenticate"))
		require.JSONEq(t, `{"code":"session_revoked"}`, string(r.body))
	}
}

// A part is about the caller, and its response is JSON: services see who asks, and
// neither conditions nor encodings.
func TestServicesSeeTheCallerInEveryPart(t *testing.T) {
	t.Parallel()
	w := shop(t, nil)
	headers := make(chan http.Header, 8)
	for _, name := range []string{"orders", "payments"} {
		inner := *w.services[name].handler.Load()
		w.services[name].setHandler(func(rw http.ResponseWriter, r *http.Request) {
			headers <- r.Header.Clone()
			inner(rw, r)
		})
	}
	r := w.call(t, auth.User, "GET", "/orders/o1?expand=payment", "",
		"Accept-Encoding", "br", "If-None-Match", `"x"`, "Range", "bytes=0-1", "X-Forwarded-For", "203.0.113.9")
	require.Equal(t, 200, r.StatusCode)
	for range 2 {
		h := <-headers
		require.True(t, strings.HasPrefix(h.Get("Authorization"), "Bearer "))
		require.Equal(t, r.Header.Get("X-Request-Id"), h.Get("X-Request-Id"))
		require.Equal(t, "127.0.0.1", h.Get("X-Forwarded-For"))
		for _, name := range []string{"Accept-Encoding", "If-None-Match", "Range"} {
			require.Empty(t, h.Get(name), name)
		}
	}
}

// The deadline of a part is shorter than that of an attempt, so a service that hangs is
// noticed by its circuit breaker as one that is slow.
func TestPartsThatAreLateOpenTheCircuit(t *testing.T) {
	t.Parallel()
	w := shop(t, map[string]string{"GATEWAY_PART_TIMEOUT": "20ms"})
	w.services["payments"].setHandler(hang)
	for range 20 {
		w.call(t, auth.User, "GET", "/orders/o1?expand=payment", "")
	}
	require.Equal(t, "20", w.tries(t, "payments", "slow"))
	require.Equal(t, "OPEN", w.breaker(t, "payments"))
	r := w.call(t, auth.User, "GET", "/orders/o1?expand=payment", "")
	require.JSONEq(t, `{"id":"o1","status":"confirmed","missing":[{"part":"payment","code":"circuit_open"}]}`, string(r.body))
	require.Equal(t, "CLOSED", w.breaker(t, "orders"))
}

func TestCompositionsAreDocumented(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(answer("application/json", `{"paths":{"/orders/{id}":{"get":{"operationId":"show-an-order",
		"parameters":[{"in":"path","name":"id"}],"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/OrderView"}}}}}}}},
		"components":{"schemas":{"OrderView":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}}}}`))
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name string }
			Responses   map[string]any
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
				Required   []string
			}
		}
	}
	require.NoError(t, json.Unmarshal(w.call(t, "", "GET", "/openapi.json", "").body, &document))
	require.Equal(t, "getMyOverview", document.Paths["/me/overview"]["get"].OperationID)
	order := document.Paths["/orders/{id}"]["get"]
	require.Equal(t, "getOrder", order.OperationID, "clients are generated after it")
	require.Len(t, order.Parameters, 2)
	require.Equal(t, "expand", order.Parameters[1].Name)
	response, err := json.Marshal(order.Responses["200"])
	require.NoError(t, err)
	require.Contains(t, string(response), `"schema":{"$ref":"#/components/schemas/gateway_ExpandedOrder"}`)
	expanded := document.Components.Schemas["gateway_ExpandedOrder"]
	require.ElementsMatch(t, []string{"id", "payment", "notifications", "missing"}, slices.Collect(maps.Keys(expanded.Properties)))
	require.Equal(t, []string{"id"}, expanded.Required)
	require.Contains(t, document.Paths, "/admin/breakers/{upstream}")
}
