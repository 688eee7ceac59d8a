package test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"troupe/client"
)

// One trace follows an order from the request through every service and back:
// over HTTP, through the outbox, the bus and the inbox.
func TestOneTraceFollowsAnOrderThroughEveryService(t *testing.T) {
	traces := newCollector(t)
	settings := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + traces.url, "OTEL_BSP_SCHEDULE_DELAY=50"}
	eachInstallation(t, settings, func(t *testing.T, s *installation) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		trace := newTraceID()
		placed := s.send(t, rawRequest{
			method: "POST", path: "/orders", body: validOrder, header: map[string]string{
				"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json",
				"Traceparent": "00-" + trace + "-00f067aa0ba902b7-01",
			},
		})
		require.Equal(t, 201, placed.status)
		var o client.Order
		require.NoError(t, json.Unmarshal(placed.body, &o))
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
		involved := []string{"gateway", "inventory", "notifications", "orders", "payments"}
		require.Eventually(t, func() bool { return slices.Equal(involved, traces.services(trace)) }, timeout, pollInterval,
			"the trace has spans of %v only", traces.services(trace))
	})
}

// newTraceID returns the id of a new trace.
func newTraceID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// traceCollector receives spans as a tracing back-end does (OTLP over HTTP).
type traceCollector struct {
	url string

	mu      sync.Mutex
	byTrace map[string]map[string]bool // services with a span in the trace, by trace id
}

func newCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{byTrace: map[string]map[string]bool{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *traceCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request collector.ExportTraceServiceRequest
	body, err := io.ReadAll(r.Body)
	if err != nil || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := ""
		for _, attribute := range resource.Resource.Attributes {
			if attribute.Key == "service.name" {
				service = attribute.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.add(hex.EncodeToString(span.TraceId), service)
			}
		}
	}
}

func (c *traceCollector) add(trace, service string) {
	if c.byTrace[trace] == nil {
		c.byTrace[trace] = map[string]bool{}
	}
	c.byTrace[trace][service] = true
}

func (c *traceCollector) services(trace string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.byTrace[trace]))
}
