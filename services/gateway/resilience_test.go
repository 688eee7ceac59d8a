package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/auth"
)

func (w *gatewayTest) breaker(t *testing.T, service string) string {
	t.Helper()
	return map[string]string{"0": "CLOSED", "1": "OPEN", "2": "HALF_OPEN"}[w.metric(t, `troupe_gateway_breaker_state{upstream="`+service+`"}`)]
}

func (w *gatewayTest) tries(t *testing.T, service, outcome string) string {
	t.Helper()
	return w.metric(t, `troupe_gateway_upstream_attempts_total{outcome="`+outcome+`",upstream="`+service+`"}`)
}

func TestTheCircuitOpensForAFailingServiceUntilItRecovers(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	orders := w.services["orders"]
	orders.respondWith(500)
	for w.breaker(t, "orders") == "CLOSED" {
		require.Equal(t, 500, w.call(t, auth.User, "POST", "/orders", "{}").StatusCode)
		require.LessOrEqual(t, orders.calls.Load(), int64(20), "it must open by now")
	}
	reached := orders.calls.Load()
	begin := time.Now()
	for range 100 {
		w.call(t, auth.User, "POST", "/orders", "{}").problem(t, 503, "circuit_open")
	}
	require.Less(t, time.Since(begin), 5*time.Second, "a hundred refusals")
	require.Equal(t, reached, orders.calls.Load(), "nothing reaches it")
	require.Equal(t, "100", w.metric(t, `troupe_gateway_upstream_errors_total{code="circuit_open",upstream="orders"}`))
	w.call(t, auth.User, "GET", "/products", "").received(t)

	w.clock.advance(12 * time.Second) // the recovery timeout and its jitter
	require.Equal(t, 500, w.call(t, auth.User, "GET", "/orders", "").StatusCode, "a probe")
	require.Equal(t, reached+1, orders.calls.Load())
	require.Equal(t, "OPEN", w.breaker(t, "orders"))

	orders.setHandler(echo("orders"))
	w.clock.advance(12 * time.Second)
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "circuit_open")
	w.clock.advance(12 * time.Second)
	w.call(t, auth.User, "GET", "/orders", "").received(t)
	require.Equal(t, "HALF_OPEN", w.breaker(t, "orders"))
	w.call(t, auth.User, "GET", "/orders", "").received(t)
	w.call(t, auth.User, "GET", "/orders", "").received(t)
	require.Equal(t, "CLOSED", w.breaker(t, "orders"))
	require.Equal(t, "1", w.metric(t, `troupe_gateway_breaker_transitions_total{to="CLOSED",upstream="orders"}`))
}

func TestAClientsErrorsDoNotCountAgainstTheService(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		rw.WriteHeader(404)
	})
	token := w.token(t, auth.User)
	post := "POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n"
	large := strings.Repeat("x", 100_000)
	for range 30 {
		for body, status := range map[string]int{
			"Transfer-Encoding: chunked\r\n\r\nzz\r\n":                                    400,
			"Transfer-Encoding: chunked\r\n\r\n186a0\r\n" + large + "\r\nzz\r\n":          400,
			"Transfer-Encoding: chunked\r\n\r\n100001\r\n" + strings.Repeat("x", 1<<20+1): 413,
			"Content-Length: 1048577\r\n\r\n":                                             413,
			"Content-Length: 2\r\n\r\n{}":                                                 404,
		} {
			got, answer := w.sendRaw(t, post+body)
			require.Equal(t, status, got, "%.60q: %s", body, answer)
		}
		w.disconnect(t, post+"Content-Length: 50\r\n\r\n{")
		w.disconnect(t, post+"Content-Length: 200000\r\n\r\n"+large)
		w.disconnect(t, post+"Transfer-Encoding: chunked\r\n\r\n186a0\r\n"+large)
		w.disconnect(t, post)
	}
	require.Equal(t, "CLOSED", w.breaker(t, "orders"))
	require.Equal(t, "0", w.tries(t, "orders", "failure"))
}

// disconnect sends bytes and closes the connection.
func (w *gatewayTest) disconnect(t *testing.T, raw string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
	require.NoError(t, err)
	_, err = io.WriteString(conn, raw)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
	require.NoError(t, conn.Close())
}

func TestAClientThatDisconnectsDoesNotCountAgainstTheService(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	working, ended := make(chan struct{}), make(chan struct{})
	w.services["orders"].setHandler(func(_ http.ResponseWriter, r *http.Request) {
		working <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	for range 30 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.token(t, auth.User)+"\r\n\r\n")
		require.NoError(t, err)
		<-working
		require.NoError(t, conn.Close())
		<-ended
	}
	require.Eventually(t, func() bool { return w.tries(t, "orders", "ignored") == "30" }, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, "0", w.tries(t, "orders", "failure"))
}

func TestAnUnreachableServiceIsRetriedAndThenReported(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].Close()
	w.call(t, auth.User, "POST", "/orders", "{}").problem(t, 503, "upstream_unreachable")
	require.Equal(t, "3", w.tries(t, "orders", "failure"), "nothing was sent, so even a POST may be tried again")
	require.Equal(t, "2", w.metric(t, `troupe_gateway_upstream_retries_total{upstream="orders"}`))
}

func TestOnlyRepeatableRequestsAreRetried(t *testing.T) {
	t.Parallel()
	broken := func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	status := func(s int, header ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			rw.WriteHeader(s)
			_, _ = io.WriteString(rw, "sorry")
		}
	}
	short := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(rw, "half")
	}
	for name, c := range map[string]struct {
		request string
		key     string
		first   http.HandlerFunc
		times   int64 // how often first happens
		status  int
		calls   int64
	}{
		"a GET after 503":                             {"GET /orders", "", status(503), 2, 200, 3},
		"a GET after 502":                             {"GET /orders", "", status(502), 1, 200, 2},
		"a GET after 504":                             {"GET /orders", "", status(504), 1, 200, 2},
		"a GET after a broken connection":             {"GET /orders", "", broken, 2, 200, 3},
		"a GET after half an answer":                  {"GET /orders", "", short, 1, 200, 2},
		"a GET at most three times":                   {"GET /orders", "", status(503), 9, 503, 3},
		"a HEAD":                                      {"HEAD /orders", "", status(503), 1, 200, 2},
		"a POST with a key after 503":                 {"POST /orders", "k", status(503), 1, 200, 2},
		"a POST with a key after a broken connection": {"POST /orders", "k", broken, 1, 200, 2},
		"not a POST without a key":                    {"POST /orders", "", status(503), 1, 503, 1},
		"not a POST that broke off without a key":     {"POST /orders", "", broken, 1, 502, 1},
		"a refund with a key":                         {"POST /payments/42/refund", "k", status(503), 1, 200, 2},
		"not another sign-in, whatever the key":       {"POST /token", "k", status(503), 1, 503, 1},
		"not a new password that may have been set":   {"POST /users/me/password", "k", broken, 1, 502, 1},
		"not a PUT":                                   {"PUT /products/mug", "", status(503), 1, 503, 1},
		"not a 500":                                   {"GET /orders", "", status(500), 1, 500, 1},
		"not a 429":                                   {"GET /orders", "", status(429), 1, 429, 1},
		"not what the service sheds":                  {"GET /orders", "", status(503, "Retry-After", "1"), 1, 503, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			var calls atomic.Int64
			for _, s := range w.services {
				well := *s.handler.Load()
				s.setHandler(func(rw http.ResponseWriter, r *http.Request) {
					if calls.Add(1) <= c.times {
						c.first(rw, r)
						return
					}
					well(rw, r)
				})
			}
			method, path, _ := strings.Cut(c.request, " ")
			body := `{"a":1}`
			if method == "GET" || method == "HEAD" {
				body = ""
			}
			r := w.call(t, auth.Admin, method, path, body, "Idempotency-Key", c.key)
			require.Equal(t, c.status, r.StatusCode, string(r.body))
			require.Equal(t, c.calls, calls.Load())
			if c.status == 200 && method != "HEAD" {
				require.Equal(t, body, r.received(t).Body, "the same body each time")
			}
		})
	}
}

func TestRetryAfterOfAServiceIsPassedOn(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(429)
	})
	r := w.call(t, auth.User, "GET", "/orders", "")
	require.Equal(t, 429, r.StatusCode)
	require.Equal(t, "7", r.Header.Get("Retry-After"))
}

// Otherwise a burst of registrations would close the sign-in to everybody.
func TestAServiceThatShedsLoadKeepsItsCircuitClosed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{503, 429} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			users := w.services["users"]
			users.setHandler(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Retry-After", "1")
				rw.WriteHeader(status)
			})
			for range 30 {
				r := w.call(t, auth.User, "GET", "/users/me", "")
				require.Equal(t, status, r.StatusCode)
				w.clock.advance(time.Second) // so few are not throttled
			}
			require.Equal(t, "CLOSED", w.breaker(t, "users"))
			reached := users.calls.Load()
			require.LessOrEqual(t, reached, int64(30), "none is sent again")
			require.Greater(t, reached, int64(20), "enough to open a circuit")
			require.Equal(t, strconv.FormatInt(reached, 10), w.tries(t, "users", "ignored"))
			users.setHandler(echo("users"))
			w.call(t, auth.User, "GET", "/users/me", "").received(t)
		})
	}
}

func TestAServiceThatIsSlowToShedOpensItsCircuit(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["users"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		w.clock.advance(4 * time.Second)
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(503)
	})
	w.call(t, auth.User, "GET", "/users/me", "")
	require.Equal(t, "1", w.tries(t, "users", "failure"))
}

func TestAServiceThatDoesNotRespondInTimeIsATimeout(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_TRY_TIMEOUT": "50ms"})
	w.services["orders"].setHandler(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 504, "upstream_timeout")
	w.call(t, auth.User, "POST", "/orders", strings.Repeat("x", 100_000)).problem(t, 504, "upstream_timeout")
	require.Equal(t, "2", w.tries(t, "orders", "failure"), "each once: a slow service is not asked again")
}

func TestAServiceThatDoesNotReadTheBodyIsATimeout(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, but nothing is read
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	w := startWith(t, map[string]string{"GATEWAY_TRY_TIMEOUT": "100ms"}, &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, silent.Addr().String())
		},
	}, nil)
	w.call(t, auth.User, "POST", "/orders", strings.Repeat("x", 1<<20)).problem(t, 504, "upstream_timeout")
	require.Equal(t, "1", w.tries(t, "orders", "failure"))
}

func TestASlowServiceOpensItsCircuit(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		w.clock.advance(4 * time.Second)
		rw.WriteHeader(200)
	})
	w.call(t, auth.User, "GET", "/orders", "")
	require.Equal(t, "1", w.tries(t, "orders", "slow"))
}

func TestASlowClientDoesNotOccupyAService(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]string{
		"small body":          "Content-Length: 50\r\n\r\n{",
		"small chunked body":  "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"large body":          "Content-Length: 200000\r\n\r\n" + strings.Repeat("x", 100_000),
		"large chunked body":  "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" + strings.Repeat("x", 100_000),
		"body held until 100": "Content-Length: 50\r\nExpect: 100-continue\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, map[string]string{"GATEWAY_TIMEOUT": "1s", "GATEWAY_TRY_TIMEOUT": "500ms"})
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.URL, "http://"))
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_, err = io.WriteString(conn, "POST /orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.token(t, auth.User)+"\r\n"+send)
			require.NoError(t, err)
			res := readResponse(t, bufio.NewReader(conn))
			res.problem(t, 408, "body_too_slow")
			require.Equal(t, "0", w.tries(t, "orders", "failure"))
			require.Equal(t, "CLOSED", w.breaker(t, "orders"))
			require.Eventually(t, func() bool {
				return w.metric(t, `troupe_gateway_upstream_requests_in_flight{upstream="orders"}`) == "0"
			}, 5*time.Second, 5*time.Millisecond)
		})
	}
}

// readResponse reads the final response to a POST, after any 100 Continue.
func readResponse(t *testing.T, from *bufio.Reader) response {
	t.Helper()
	for {
		res, err := http.ReadResponse(from, &http.Request{Method: "POST"})
		require.NoError(t, err)
		if res.StatusCode == 100 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return response{res, body}
	}
}

func TestRequestsAboveTheInFlightLimitAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_IN_FLIGHT": "1"})
	busy, done := make(chan struct{}), make(chan struct{})
	w.services["orders"].setHandler(func(http.ResponseWriter, *http.Request) {
		close(busy)
		<-done
	})
	first := make(chan int)
	go func() { first <- w.call(t, auth.User, "GET", "/orders", "").StatusCode }()
	<-busy
	w.call(t, auth.User, "GET", "/orders", "").problem(t, 503, "overloaded")
	w.call(t, auth.User, "GET", "/products", "").received(t)
	close(done)
	require.Equal(t, 200, <-first)
}

// An overloaded service spends on refusals what it needs for its work.
func TestTheGatewayRefusesItselfWhatAnOverloadedServiceWouldRefuse(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var reached atomic.Int64
	var overloaded atomic.Bool
	overloaded.Store(true)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && overloaded.Load() {
			reached.Add(1)
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(503)
			_, _ = io.WriteString(rw, `{"code":"orders_overloaded"}`)
		}
	})
	const orders = 300
	throttled := 0
	for range orders {
		answer := w.call(t, auth.User, "POST", "/orders", "{}")
		require.Equal(t, 503, answer.StatusCode)
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
		if strings.Contains(string(answer.body), "service_overloaded") {
			throttled++
		}
		require.Equal(t, 200, w.call(t, auth.User, "GET", "/orders", "").StatusCode, "only what is refused is throttled")
	}
	require.EqualValues(t, orders-throttled, reached.Load())
	require.Greater(t, throttled, orders/2)

	overloaded.Store(false)
	w.clock.advance(10 * time.Second)
	for range orders {
		require.Equal(t, 200, w.call(t, auth.User, "POST", "/orders", "{}").StatusCode)
	}
}

// What has no right to be carried out is refused for that, and does not count as refused by
// the service: otherwise strangers could take the place of customers.
func TestAStrangerIsRefusedAsSuchWhileTheServiceIsOverloaded(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(503)
		_, _ = io.WriteString(rw, `{"code":"orders_overloaded"}`)
	})
	for range 300 {
		w.call(t, auth.User, "POST", "/orders", "{}")
	}
	refused := w.metric(t, `troupe_gateway_upstream_errors_total{code="service_overloaded",upstream="orders"}`)
	require.NotEmpty(t, refused)
	for range 20 {
		w.call(t, "", "POST", "/orders", "{}").problem(t, 401, "token_missing")
		w.call(t, "", "POST", "/orders", "{}", "Authorization", "Bearer x.y.z").problem(t, 401, "token_invalid")
	}
	require.Equal(t, refused, w.metric(t, `troupe_gateway_upstream_errors_total{code="service_overloaded",upstream="orders"}`))
}

// A refusal costs little, but shows everywhere that a response does.
func TestARefusalOfTheGatewayIsLoggedAndCounted(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]string{"GATEWAY_CORS_ORIGINS": "https://shop.example"})
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(503)
		_, _ = io.WriteString(rw, `{"code":"orders_overloaded"}`)
	})
	throttled := 0
	for range 300 {
		answer := w.call(t, auth.User, "POST", "/orders", `{"items":[]}`, "Origin", "https://shop.example", "X-Request-Id", "r1")
		require.Equal(t, "https://shop.example", answer.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "r1", answer.Header.Get("X-Request-Id"))
		require.False(t, answer.Close, "the connection is kept")
		if strings.Contains(string(answer.body), "service_overloaded") {
			answer.problem(t, 503, "service_overloaded")
			require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
			throttled++
		}
	}
	require.Greater(t, throttled, 150)
	require.Equal(t, throttled, w.log.count("user=ann code=service_overloaded"))
	require.Equal(t, strconv.Itoa(throttled), w.metric(t, `troupe_gateway_upstream_errors_total{code="service_overloaded",upstream="orders"}`))
	require.Equal(t, "300", w.metric(t, `troupe_http_request_duration_seconds_count{method="POST",route="/orders",service="gateway",status="503"}`))
}

// A full disk, or a database that is away, is no overload: the client learns the reason, and
// the first request that can be carried out is.
func TestTheGatewayPassesOnWhatAServiceRefusesForAnotherReason(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var full atomic.Bool
	full.Store(true)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		if full.Load() {
			rw.Header().Set("Retry-After", "10")
			rw.WriteHeader(503)
			_, _ = io.WriteString(rw, `{"code":"storage_full"}`)
		}
	})
	for range 100 {
		answer := w.call(t, auth.User, "POST", "/orders", "{}")
		require.Equal(t, 503, answer.StatusCode)
		require.Contains(t, string(answer.body), "storage_full")
	}
	full.Store(false)
	require.Equal(t, 200, w.call(t, auth.User, "POST", "/orders", "{}").StatusCode)
}

func TestABrokenResponseDoesNotLookComplete(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for name, begin := range map[string]func(http.ResponseWriter){
		"of unknown length": func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, strings.Repeat("x", 10_000)) },
		"of known length": func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Length", "1000000")
			_, _ = io.WriteString(rw, strings.Repeat("x", 10_000))
		},
	} {
		w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
			begin(rw)
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		})
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL+"/orders", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token(t, auth.User))
		res, err := w.client.Do(req)
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
		require.NoError(t, res.Body.Close())
	}
}

func TestAServiceThatSwitchesProtocolsUnaskedIsABadGateway(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.services["orders"].setHandler(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Connection", "Upgrade")
		rw.Header().Set("Upgrade", "websocket")
		rw.WriteHeader(101)
	})
	w.call(t, auth.User, "POST", "/orders", "").problem(t, 502, "upstream_broke_off")
}

func TestRetriesStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	var asked atomic.Int64
	w.services["inventory"].setHandler(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/products/bad" {
			rw.WriteHeader(503)
		}
	})
	for i := range 400 { // too few failures to open the circuit
		path := "/products/good"
		if i%8 == 0 {
			path = "/products/bad"
		}
		w.call(t, "", "GET", path, "")
		asked.Add(1)
	}
	require.Equal(t, "CLOSED", w.breaker(t, "inventory"))
	calls := w.services["inventory"].calls.Load()
	require.LessOrEqual(t, calls, asked.Load()*12/10, fmt.Sprint(calls))
	require.Greater(t, calls, asked.Load()*11/10)
}
