package upstream_test

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
	"troupe/services/gateway/internal/balance"
	"troupe/services/gateway/internal/inflight"
	"troupe/services/gateway/internal/stream"
	"troupe/services/gateway/internal/upstream"
)

func config(t testing.TB, base string) upstream.Config {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	registry := prometheus.NewRegistry()
	return upstream.Config{
		Name: "orders", Transport: transport,
		Balancer: balance.New(balance.Config{
			Name: "orders", Targets: []*url.URL{u}, Transport: transport, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registry: registry,
		}),
		Total: 15 * time.Second, Try: 5 * time.Second, Idle: time.Minute, SlowTry: 3 * time.Second,
		InFlight: 256, MaxBody: 1 << 20, Readers: inflight.NewReaders(1024, 64), Streams: stream.NewRegistry(1000, 1000), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registry: registry,
	}
}

// A larger limit of the body needs no more memory.
func TestALargeUploadNeedsLittleMemory(t *testing.T) {
	const size = 50 << 20
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		_, _ = w.Write(sum.Sum(nil))
	}))
	defer service.Close()
	c := config(t, service.URL)
	c.MaxBody = size
	u := upstream.New(c)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := u.Forward(w, r, upstream.Rules{}); refusal != nil {
			w.WriteHeader(refusal.Status)
		}
	}))
	defer front.Close()

	for _, length := range []int64{size, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		want := sha256.New()
		req, err := http.NewRequestWithContext(t.Context(), "POST", front.URL, io.TeeReader(io.LimitReader(numbers{}, size), want))
		require.NoError(t, err)
		req.ContentLength = length
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		got, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, want.Sum(nil), got)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	}
}

type numbers struct{}

func (numbers) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPanickingTransportReleasesEverything(t *testing.T) {
	t.Parallel()
	c := config(t, "http://orders")
	c.Transport = roundTrip(func(*http.Request) (*http.Response, error) { panic("in the transport") })
	c.InFlight = 1
	u := upstream.New(c)
	for range 50 {
		require.PanicsWithValue(t, "in the transport", func() {
			u.Forward(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil), upstream.Rules{})
		})
	}
	require.Equal(t, breaker.Closed, u.Breaker().Snapshot().State)
}

// The transport may hold a body for longer than its round trip. Its buffer must not be
// given to another request.
func TestABodyThatTheTransportHoldsIsNotReused(t *testing.T) {
	t.Parallel()
	c := config(t, "http://orders")
	var held []io.ReadCloser
	c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		held = append(held, r.Body)
		return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 0, Body: http.NoBody}, nil
	})
	u := upstream.New(c)
	bodies := []string{strings.Repeat("a", 1000), strings.Repeat("b", 1000), strings.Repeat("c", 1000)}
	for _, body := range bodies {
		require.Nil(t, u.Forward(httptest.NewRecorder(), httptest.NewRequest("POST", "/orders", strings.NewReader(body)), upstream.Rules{}))
	}
	for i, body := range bodies {
		late, err := io.ReadAll(held[i])
		require.NoError(t, err)
		require.Equal(t, body, string(late))
		require.NoError(t, held[i].Close())
		_, err = held[i].Read(make([]byte, 1))
		require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	}
}

// blockedWriter is a client that takes nothing of its response until it may go on.
type blockedWriter struct {
	sink
	begun, goOn chan struct{}
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	close(w.begun)
	<-w.goOn
	return len(p), nil
}

func TestAClientThatTakesASmallResponseSlowlyOccupiesNoSlot(t *testing.T) {
	t.Parallel()
	c := config(t, "http://orders")
	c.Transport, c.InFlight = inMemory, 1
	u := upstream.New(c)
	slow := &blockedWriter{sink{http.Header{}}, make(chan struct{}), make(chan struct{})}
	ended := make(chan *upstream.Error)
	go func() { ended <- u.Forward(slow, httptest.NewRequest("GET", "/orders", nil), upstream.Rules{}) }()
	<-slow.begun
	require.Nil(t, u.Forward(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil), upstream.Rules{}))
	close(slow.goOn)
	require.Nil(t, <-ended)
}

func TestAPartOfAResponseAnnouncesItsOwnDeadline(t *testing.T) {
	t.Parallel()
	c := config(t, "http://orders")
	var announced string
	c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		announced = r.Header.Get("X-Request-Timeout-Ms")
		return inMemory(r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, failed := upstream.New(c).Fetch(ctx, httptest.NewRequest("GET", "/me/overview", nil), &url.URL{Path: "/orders"}, 1<<20)
	require.Nil(t, failed)
	require.Regexp(t, "^(2000|1[0-9]{3})$", announced)
}

func TestForwardingAllocatesLittle(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts what the whole process allocates
	c := config(t, "http://orders")
	c.Transport = inMemory
	u := upstream.New(c)
	in := httptest.NewRequest("GET", "/orders/42", nil)
	w := &sink{http.Header{}}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { u.Forward(w, in, upstream.Rules{}) }), 16.0)
}

// Forwarding alone, compared with the standard library's proxy. This one also limits,
// breaks circuits, times out and measures.
func BenchmarkForward(b *testing.B) {
	c := config(b, "http://orders")
	c.Transport = inMemory
	u := upstream.New(c)
	bench(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Forward(w, r, upstream.Rules{}) }))
}

func BenchmarkReverseProxy(b *testing.B) {
	base := &url.URL{Scheme: "http", Host: "orders"}
	bench(b, &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(base) },
		Transport:  inMemory,
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
	})
}

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte  { return b.Pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.Pool.Put(p) } //nolint:staticcheck // as everybody does with this interface

var answer = strings.Repeat("x", 512)

var inMemory = roundTrip(func(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}, "Date": {"x"}},
		ContentLength: int64(len(answer)), Body: io.NopCloser(strings.NewReader(answer)), Request: r,
	}, nil
})

// sink is a response writer that discards the response.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func bench(b *testing.B, h http.Handler) {
	in := httptest.NewRequest("GET", "/orders/42", nil).WithContext(b.Context())
	in.Header = http.Header{"Accept": {"application/json"}, "User-Agent": {"bench"}, "Authorization": {"Bearer x"}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(&sink{http.Header{}}, in)
	}
}
