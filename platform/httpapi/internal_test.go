package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"troupe/platform/telemetry"
)

func newTestAPI() *API {
	return New(Config{
		Service: "orders", Title: "Orders", Version: "1", Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
}

type nothing struct{}

func TestARequestIsASpanOfItsCallersTrace(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	a := newTestAPI()
	a.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
	var within string
	Get(a, "/orders/{id}", func(ctx context.Context, _ *struct {
		ID string `path:"id"`
	},
	) (*nothing, error) {
		within = telemetry.Traceparent(ctx)
		return nil, context.DeadlineExceeded
	}, Public())
	r := httptest.NewRequest(http.MethodGet, "/orders/1", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	a.Handler().ServeHTTP(httptest.NewRecorder(), r)
	a.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/health", nil))

	require.Len(t, spans.Ended(), 1, "probes have no spans")
	span := spans.Ended()[0]
	require.Equal(t, "GET /orders/{id}", span.Name())
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext().TraceID().String())
	require.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
	require.Contains(t, within, span.SpanContext().SpanID().String())
	require.Equal(t, "context deadline exceeded", span.Events()[0].Attributes[1].Value.AsString())
}

// newTracedAPI returns an API with an order 1 that is found, an order 2 that fails,
// and a stream that is aborted; and its spans.
func newTracedAPI() (*API, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	a := newTestAPI()
	a.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
	Get(a, "/orders/{id}", func(_ context.Context, in *struct {
		ID     string `path:"id"`
		Secret string `query:"secret"`
	},
	) (*nothing, error) {
		if in.ID == "2" {
			return nil, errors.New("the disk is full")
		}
		return nil, nil
	}, Public())
	a.Handle("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	}))
	return a, spans
}

func TestSpansFollowTheConventionsForHTTPServers(t *testing.T) {
	t.Parallel()
	a, spans := newTracedAPI()
	route, failed, aborted := "http.route=/orders/{id}", "error.type=500", "error.type=response_aborted"
	for _, c := range []struct {
		method, path, name string
		status             int
		code               codes.Code
		more               []string
	}{
		{"GET", "/orders/1", "GET /orders/{id}", 204, codes.Unset, []string{route}},
		{"GET", "/orders/2", "GET /orders/{id}", 500, codes.Error, []string{route, failed}},
		{"GET", "/stream", "GET /stream", 200, codes.Error, []string{"http.route=/stream", aborted}},
		{"GET", "/nowhere", "GET", 404, codes.Unset, nil},
		{"BREW", "/coffee", "HTTP", 404, codes.Unset, []string{"http.request.method_original=BREW"}},
	} {
		func() {
			defer func() { _ = recover() }() // of an aborted response
			a.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.path+"?secret=1", nil))
		}()
		ended := spans.Ended()
		span := ended[len(ended)-1]
		require.Equal(t, c.name, span.Name())
		require.Equal(t, c.code, span.Status().Code, c.path)
		want := append(c.more, "http.request.method="+methodLabel(c.method), "url.scheme=http", "url.path="+c.path,
			"http.response.status_code="+strconv.Itoa(c.status))
		var got []string
		for _, attribute := range span.Attributes() {
			got = append(got, string(attribute.Key)+"="+attribute.Value.String())
		}
		require.ElementsMatch(t, want, got, c.path)
	}
}

func TestAClientDisconnectIsNotAnInternalError(t *testing.T) {
	t.Parallel()
	a := newTestAPI()
	Get(a, "/orders", func(ctx context.Context, _ *nothing) (*nothing, error) {
		return nil, context.Cause(ctx)
	}, Public())
	ctx, disconnect := context.WithCancel(t.Context())
	disconnect()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "client_closed")
}

func TestAnOperationThatCannotWorkPanicsAtStart(t *testing.T) {
	t.Parallel()
	get := func(context.Context, *nothing) (*nothing, error) { return nil, nil }
	require.PanicsWithValue(t, "httpapi: GET /a needs a Verifier, or to be Public", func() { Get(newTestAPI(), "/a", get) })
	require.PanicsWithValue(t, "httpapi: GET /b and GET /a both have the operation id get-it", func() {
		a := newTestAPI()
		Get(a, "/a", get, Public(), Summary("Get it"))
		Get(a, "/b", get, Public(), Summary("Get it"))
	})
	require.PanicsWithValue(t, "httpapi: the body of POST /endless has a list without maxItems", func() {
		Post(newTestAPI(), "/endless", func(context.Context, *struct {
			Body struct {
				Nested struct {
					Tags []string `json:"tags"`
				} `json:"nested"`
			}
		},
		) (*nothing, error) {
			return nil, nil
		}, Public())
	})
	require.PanicsWithValue(t, "httpapi: /a declares a body of type text/csv; only JSON and forms are supported", func() {
		Post(newTestAPI(), "/a", func(context.Context, *struct {
			Body string `contentType:"text/csv"`
		},
		) (*nothing, error) {
			return nil, nil
		}, Public())
	})
}
