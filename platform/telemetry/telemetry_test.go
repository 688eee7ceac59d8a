package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
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
	p, err := export(t.Context(), "troupe", "1.2.3", url+"/")
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
			shutdown, err := Start(t.Context(), "orders", "1", func(name string) string { return settings[name] })
			require.NoError(t, err)
			_, span := Tracer("orders").Start(t.Context(), "work")
			require.False(t, span.IsRecording())
			require.NoError(t, shutdown(t.Context()))
		})
	}
}

func TestAnEndpointThatIsNotAURLIsRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"localhost:4318", "jaeger", "ftp://x", "http://", "http://%zz"} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			_, err := Start(t.Context(), "orders", "1", func(name string) string {
				return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}[name]
			})
			require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_ENDPOINT")
		})
	}
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
