package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"troupe/platform/telemetry"
)

func open() *API {
	return New(Config{
		Service: "orders", Title: "Orders", Version: "1", Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
}

type nothing struct{}

func TestARequestIsASpanOfItsCallersTrace(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	a := open()
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

	require.Len(t, spans.Ended(), 1, "probes are no spans")
	span := spans.Ended()[0]
	require.Equal(t, "GET /orders/{id}", span.Name())
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", span.SpanContext().TraceID().String())
	require.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
	require.Contains(t, within, span.SpanContext().SpanID().String())
	require.Equal(t, "context deadline exceeded", span.Events()[0].Attributes[1].Value.AsString())
}

func TestACallerWhoHangsUpIsNoFailureOfOurs(t *testing.T) {
	t.Parallel()
	a := open()
	Get(a, "/orders", func(ctx context.Context, _ *nothing) (*nothing, error) {
		return nil, context.Cause(ctx)
	}, Public())
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "caller_gone")
}

func TestAnAPIThatCanNotWorkDoesNotStart(t *testing.T) {
	t.Parallel()
	get := func(context.Context, *nothing) (*nothing, error) { return nil, nil }
	require.PanicsWithValue(t, "httpapi: GET /a needs a Verifier, or to be Public", func() { Get(open(), "/a", get) })
	require.PanicsWithValue(t, "httpapi: GET /b and GET /a both have the operation id get-it", func() {
		a := open()
		Get(a, "/a", get, Public(), Summary("Get it"))
		Get(a, "/b", get, Public(), Summary("Get it"))
	})
	require.PanicsWithValue(t, "httpapi: /a wants a body of type text/csv; only JSON and forms are read", func() {
		Post(open(), "/a", func(context.Context, *struct {
			Body string `contentType:"text/csv"`
		},
		) (*nothing, error) {
			return nil, nil
		}, Public())
	})
}
