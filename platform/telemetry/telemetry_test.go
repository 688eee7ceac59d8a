package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// startCollector starts an OTLP collector that passes on the requests it receives.
func startCollector(t *testing.T) (url string, sent <-chan *collector.ExportTraceServiceRequest) {
	requests := make(chan *collector.ExportTraceServiceRequest, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		requests <- request
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func TestEachServiceOfAProcessHasItsOwnName(t *testing.T) {
	t.Parallel()
	url, sent := startCollector(t)
	p, err := export(t.Context(), "troupe", "1.2.3", url+"/v1/traces")
	require.NoError(t, err)
	ctx, request := p.Tracer("orders").Start(t.Context(), "POST /orders")
	_, handling := p.Tracer("payments").Start(WithTraceparent(context.Background(), Traceparent(ctx)), "order.created")
	_, other := p.Tracer("").Start(t.Context(), "start")
	other.End()
	handling.End()
	request.End()
	require.NoError(t, p.spans.Shutdown(t.Context()))

	names := map[string]string{}
	traces := map[string]string{}
	for _, from := range (<-sent).ResourceSpans {
		var service string
		for _, attribute := range from.Resource.Attributes {
			if attribute.Key == "service.name" {
				service = attribute.Value.GetStringValue()
			}
		}
		span := from.ScopeSpans[0].Spans[0]
		names[service], traces[service] = span.Name, string(span.TraceId)
	}
	require.Equal(t, map[string]string{"orders": "POST /orders", "payments": "order.created", "troupe": "start"}, names)
	require.Equal(t, traces["orders"], traces["payments"], "the event continues the request's trace")
	require.NotEqual(t, traces["orders"], traces["troupe"])
}

func TestWithoutAnEndpointNothingIsExported(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"nothing set":  {},
		"switched off": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shutdown, err := Start(t.Context(), "orders", "1", func(name string) string { return settings[name] }, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			_, span := Tracer("orders").Start(t.Context(), "work")
			require.False(t, span.IsRecording())
			shutdown(t.Context())
		})
	}
}

func TestAnEndpointThatIsNotAURLIsRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"localhost:4318", "jaeger", "ftp://x", "http://", "http://%zz", "grpc://x:4317", "http://x/v1/traces"} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			_, err := endpointOf(settings{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}.get)
			require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_ENDPOINT")
		})
	}
}

type settings map[string]string

func (s settings) get(name string) string { return s[name] }

// Each variable of the standard is heeded, or the start is refused with its name: spans
// must not be missing without a sign.
func TestStandardVariablesAreHeededOrRefused(t *testing.T) {
	t.Parallel()
	const base = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, c := range []struct {
		settings settings
		endpoint string
		refused  string
	}{
		{settings{base: "http://c:4318"}, "http://c:4318/v1/traces", ""},
		{settings{base: "http://c:4318/otlp/"}, "http://c:4318/otlp/v1/traces", ""},
		{settings{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, "http://c/v1/traces", ""},
		{settings{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/x", base: "http://d"}, "http://c/x", ""},
		{settings{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c:4318", base: "http://d"}, "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{settings{base: "http://c", "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		{settings{base: "http://c", "OTEL_TRACES_EXPORTER": "otlp"}, "http://c/v1/traces", ""},
		{settings{base: "http://c", "OTEL_TRACES_EXPORTER": "zipkin"}, "", "OTEL_TRACES_EXPORTER"},
		{settings{base: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{settings{base: "http://c", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"},
		{settings{base: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://c/v1/traces", ""},
		{settings{base: "http://c", "OTEL_TRACES_SAMPLER": "nonsense"}, "", "OTEL_TRACES_SAMPLER"},
		{settings{base: "http://c", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10"}, "", "OTEL_TRACES_SAMPLER_ARG"},
		{settings{base: "http://c", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, "http://c/v1/traces", ""},
		{settings{base: "http://c", "OTEL_PROPAGATORS": "tracecontext,baggage"}, "http://c/v1/traces", ""},
		{settings{base: "http://c", "OTEL_PROPAGATORS": "b3"}, "", "OTEL_PROPAGATORS"},
	} {
		endpoint, err := endpointOf(c.settings.get)
		if c.refused != "" {
			require.ErrorContains(t, err, c.refused, c.settings)
			continue
		}
		require.NoError(t, err, c.settings)
		require.Equal(t, c.endpoint, endpoint, c.settings)
	}
}

// A collector that accepts connections and never answers.
func TestACollectorThatDoesNotAnswerDelaysAStopByTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		collector := silentCollector{make(chan struct{})}
		defer close(collector.gone)
		p := newProviders("troupe", "1", sdktrace.NewBatchSpanProcessor(collector))
		_, span := p.Tracer("orders").Start(t.Context(), "POST /orders")
		span.End()
		var log bytes.Buffer
		began := time.Now()
		p.flush(t.Context(), &exportWarnings{log: slog.New(slog.NewTextHandler(&log, nil)), endpoint: "http://c", now: time.Now})
		require.Equal(t, flushLimit, time.Since(began))
		require.Contains(t, log.String(), "the last traces are lost")
		require.Contains(t, log.String(), "endpoint=http://c")
	})
}

// silentCollector is an exporter that waits until the collector has gone.
type silentCollector struct{ gone chan struct{} }

func (c silentCollector) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	<-c.gone
	return io.EOF
}

func (silentCollector) Shutdown(context.Context) error { return nil }

func TestFailuresToExportAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Now()
	w := &exportWarnings{log: slog.New(slog.NewTextHandler(&log, nil)), endpoint: "http://c", now: func() time.Time { return now }}
	for range 10 {
		w.Handle(errors.New("connection refused"))
		now = now.Add(10 * time.Second)
	}
	require.Equal(t, 2, strings.Count(log.String(), "traces cannot be exported"))
}

func TestOnlyAValidTraceContextIsCarriedOver(t *testing.T) {
	t.Parallel()
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for given, want := range map[string]string{
		valid: valid,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00":       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff":       valid, // only one flag is known
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later": valid,
		"": "",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x": "", // version 00 ends here
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x":  "",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":   "",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":   "",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01":   "",
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01":   "",
		"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01":   "",
		"zz-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":   "",
	} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			ctx := WithTraceparent(context.Background(), given)
			require.Equal(t, want, Traceparent(ctx))
			require.Equal(t, want != "", trace.SpanContextFromContext(ctx).IsRemote())
		})
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, s string) {
		once := Traceparent(WithTraceparent(context.Background(), s))
		require.Equal(t, once, Traceparent(WithTraceparent(context.Background(), once)))
	})
}
