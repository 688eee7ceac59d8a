package gateway_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/gateway"
)

// gatewayTest is a gateway in front of stub services.
type gatewayTest struct {
	instance *app.Instance
	URL      string
	clock    *clock
	signer   *auth.Signer
	services map[string]*stubService
	client   *http.Client
	log      *logBuffer
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count returns how often the log contains a text.
func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// stubService is a service whose handler a test can replace. It counts its requests.
type stubService struct {
	*httptest.Server
	handler atomic.Pointer[http.HandlerFunc]
	calls   atomic.Int64
}

func (s *stubService) setHandler(h http.HandlerFunc) { s.handler.Store(&h) }

func (s *stubService) respondWith(status int) {
	s.setHandler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// echo returns a handler that responds with the service's name and the request.
func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(received{name, r.Method, r.RequestURI, r.Header, string(body)})
	}
}

type received struct {
	Service, Method, URI string
	Header               http.Header
	Body                 string
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// names are the services that the default routes lead to.
var names = upstreams(gateway.Service.ConfigFile.Default)

func upstreams(file []byte) (found []string) {
	for _, m := range regexp.MustCompile(`upstream: (\w+)`).FindAllSubmatch(file, -1) {
		if name := string(m[1]); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// documented returns, in alphabetical order, the services whose operations the API document has. The
// console is routed as a whole.
func documented() []string {
	return slices.DeleteFunc(slices.Sorted(slices.Values(names)), func(name string) bool { return name == "console" })
}

// start runs a gateway with these settings.
func start(t *testing.T, environ map[string]string) *gatewayTest {
	t.Helper()
	return startWith(t, environ, &http.Transport{
		DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, MaxIdleConnsPerHost: 64, DisableCompression: true,
		ExpectContinueTimeout: time.Second,
	}, nil)
}

// startWith runs a gateway with a transport, and with a key set instead of the signer's if
// there is one.
func startWith(t *testing.T, environ map[string]string, transport *http.Transport, keys []byte) *gatewayTest {
	t.Helper()
	w := &gatewayTest{
		clock:    &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)},
		log:      &logBuffer{},
		services: map[string]*stubService{}, client: &http.Client{Transport: &http.Transport{DisableCompression: true}},
	}
	key, err := auth.NewPrivateKey()
	require.NoError(t, err)
	w.signer, err = auth.NewSigner(key)
	require.NoError(t, err)
	if keys == nil {
		keys = w.signer.JWKS()
	}
	peers := map[string]string{"gateway": "http://127.0.0.1:1"}
	for _, name := range names {
		w.services[name] = play(t, name)
		peers[name] = w.services[name].URL
	}
	environ = maps.Clone(environ)
	if environ["GATEWAY_RATE_LIMITS"] == "" { // most tests send many requests while the clock stands still
		environ = with(environ, "GATEWAY_RATE_LIMITS", "false")
	}
	instance, err := app.NewInstance(gateway.Service, app.Dependencies{
		Environ: environ, Version: "test", JWKS: keys, Peers: peers, Transport: transport,
		Now: w.clock.Now, NewID: func() string { return "" }, Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), w.log), nil)),
	})
	require.NoError(t, err)
	w.instance = instance
	server := httptest.NewServer(instance.Handler)
	w.URL = server.URL
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return w
}

// with returns settings with one more.
func with(environ map[string]string, name, value string) map[string]string {
	more := map[string]string{name: value}
	maps.Copy(more, environ)
	return more
}

func play(t *testing.T, name string) *stubService {
	s := &stubService{}
	s.setHandler(echo(name))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		(*s.handler.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (w *gatewayTest) token(t *testing.T, role auth.Role) string {
	t.Helper()
	token, err := w.signer.Sign(auth.Caller{UserID: "ann", Role: role, SessionID: "s", Expires: w.clock.Now().Add(10 * time.Minute)}, "id", w.clock.Now())
	require.NoError(t, err)
	return token
}

type response struct {
	*http.Response
	body []byte
}

// call sends a request with a token of that role, "" for none; more are pairs of header
// and value.
func (w *gatewayTest) call(t *testing.T, role auth.Role, method, path, body string, more ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+w.token(t, role))
	}
	for i := 0; i < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	res, err := w.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return response{res, answer}
}

// received returns the request as the service received it.
func (r response) received(t *testing.T) received {
	t.Helper()
	require.Equal(t, 200, r.StatusCode, string(r.body))
	var h received
	require.NoError(t, json.Unmarshal(r.body, &h))
	return h
}

// problem requires a complete problem document.
func (r response) problem(t *testing.T, status int, code string) {
	t.Helper()
	require.Equal(t, status, r.StatusCode, string(r.body))
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
	var p struct {
		Type, Title, Detail, Instance, Code string
		Status                              int
	}
	require.NoError(t, json.Unmarshal(r.body, &p))
	require.Equal(t, code, p.Code)
	require.Equal(t, status, p.Status)
	require.Equal(t, "urn:troupe:problem:"+code, p.Type)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, r.Header.Get("X-Request-Id"))
	require.Equal(t, "urn:troupe:request:"+r.Header.Get("X-Request-Id"), p.Instance)
	if status == 503 {
		require.NotEmpty(t, r.Header.Get("Retry-After"))
	}
}

// metric returns the value of a series in /metrics, "" if there is none.
func (w *gatewayTest) metric(t *testing.T, series string) string {
	t.Helper()
	for line := range strings.Lines(string(w.call(t, "", "GET", "/metrics", "").body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
