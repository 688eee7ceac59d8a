package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/auth"
	"troupe/services/gateway"
)

// The cost of the gateway alone, without a network behind it: GET /orders/{id} with a
// valid token, and a JSON response of 512 bytes.

// memory is a transport that answers without a network.
type memory struct{ body string }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"x"}, "Date": {"x"}},
		ContentLength: int64(len(m.body)), Body: io.NopCloser(strings.NewReader(m.body)), Request: r,
	}, nil
}

// sink is a response writer that discards the response.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func benchRequest(ctx context.Context, token string) *http.Request {
	return (&http.Request{
		Method: "GET", URL: &url.URL{Path: "/orders/42", RawQuery: "a=b"}, Host: "shop", RequestURI: "/orders/42?a=b",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: "192.0.2.1:1234",
		Header: http.Header{
			"Accept": {"application/json"}, "User-Agent": {"bench"}, "Authorization": {token}, "Accept-Encoding": {"gzip"},
		},
	}).WithContext(ctx)
}

func measure(b *testing.B, h http.Handler, token string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(&sink{http.Header{}}, benchRequest(ctx, token))
	}
}

func benchGateway(b testing.TB) (http.Handler, string) {
	return benchGatewayOf(b, memory{strings.Repeat("x", 512)})
}

func benchGatewayOf(b testing.TB, services http.RoundTripper) (http.Handler, string) {
	key, err := auth.NewPrivateKey()
	require.NoError(b, err)
	signer, err := auth.NewSigner(key)
	require.NoError(b, err)
	token, err := signer.Sign(auth.Caller{UserID: "ann", Role: auth.User, SessionID: "s", Expires: time.Now().Add(time.Hour)}, "id", time.Now())
	require.NoError(b, err)
	peers := map[string]string{}
	for _, name := range names {
		peers[name] = "http://" + name
	}
	config := filepath.Join(b.TempDir(), "gateway.yaml")
	require.NoError(b, os.WriteFile(config, []byte(
		"extends: default\nlimits:\n  address: {rate: 1000000, burst: 1000000}\n  user: {rate: 1000000, burst: 1000000}\n"), 0o600))
	instance, err := app.NewInstance(gateway.Service, app.Dependencies{
		Environ: map[string]string{"GATEWAY_CONFIG": config},
		JWKS:    signer.JWKS(), Peers: peers, Transport: services,
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	return instance.Handler, "Bearer " + token
}

// mostAllocations is the budget of one request, with those of the transport above. Each
// costs time, and all of them the garbage collector's.
const mostAllocations = 32

func TestARequestStaysWithinItsBudgetOfAllocations(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	if testing.CoverMode() != "" || raceDetector {
		t.Skip("instrumented code allocates more")
	}
	h, token := benchGateway(t)
	per := func(h http.Handler, token string) float64 {
		return testing.AllocsPerRun(200, func() { h.ServeHTTP(&sink{http.Header{}}, benchRequest(t.Context(), token)) })
	}
	alone := per(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), token)
	require.LessOrEqual(t, per(h, token)-alone, float64(mostAllocations))
}

// mostAllocationsOfARefusal is the budget of one request that the gateway itself refuses.
const mostAllocationsOfARefusal = 15

func TestARefusalStaysWithinItsBudgetOfAllocations(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	if testing.CoverMode() != "" || raceDetector {
		t.Skip("instrumented code allocates more")
	}
	h, token := benchOverload(t)
	per := func(h http.Handler, token string) float64 {
		return testing.AllocsPerRun(200, func() { h.ServeHTTP(&sink{http.Header{}}, benchRequest(t.Context(), token)) })
	}
	alone := per(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), token)
	require.LessOrEqual(t, per(h, token)-alone, float64(mostAllocationsOfARefusal))
}

func BenchmarkRequestAlone(b *testing.B) {
	measure(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), "x")
}

func BenchmarkGateway(b *testing.B) {
	h, token := benchGateway(b)
	measure(b, h, token)
}

// refusing is a transport to a service that has too much to do.
type refusing struct{}

func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	const problem = `{"code":"orders_overloaded"}`
	return &http.Response{
		StatusCode: 503, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {"1"}}, ContentLength: int64(len(problem)),
		Body: io.NopCloser(strings.NewReader(problem)), Request: r,
	}, nil
}

// What a refusal by the gateway itself costs: nearly none of the requests is sent.
func BenchmarkRefusal(b *testing.B) {
	h, token := benchOverload(b)
	measure(b, h, token)
}

// benchOverload returns a gateway before a service that has too much to do.
func benchOverload(b testing.TB) (http.Handler, string) {
	h, token := benchGatewayOf(b, refusing{})
	for range 100_000 {
		h.ServeHTTP(&sink{http.Header{}}, benchRequest(b.Context(), token))
	}
	return h, token
}

// The standard library's proxy, with a buffer pool, for comparison. It does not sanitize,
// route, verify tokens, limit, break circuits, time out, measure or log.
func BenchmarkReverseProxy(b *testing.B) {
	target, err := url.Parse("http://orders")
	require.NoError(b, err)
	measure(b, &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  memory{strings.Repeat("x", 512)},
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
	}, "x")
}

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte  { return b.Pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.Pool.Put(p) } //nolint:staticcheck // as everybody does with this interface
