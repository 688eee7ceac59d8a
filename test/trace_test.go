package test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"troupe/client"
)

const callerSpan = "00f067aa0ba902b7"

// One trace follows an order from the request through every service to the mail and to the
// webhook of another system: over HTTP, through transactions, the outbox, the bus, the inbox and the payment provider.
func TestOneTraceFollowsAnOrderFromTheRequestToTheMail(t *testing.T) {
	traces := newCollector(t)
	settings := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + traces.url, "OTEL_BSP_SCHEDULE_DELAY=50"}
	expected := []string{
		"gateway: POST /orders", "gateway: POST", "orders: POST /orders", "orders: transaction orders", "orders: send troupe.events",
		"inventory: process inventory.events.v1", "inventory: transaction inventory", "inventory: send troupe.events",
		"payments: process payments.events.v1", "payments: transaction payments", "payments: provider auth", "payments: send troupe.events",
		"orders: process orders.events.v1", "orders: decide", "payments: provider capture",
		"notifications: process notifications.events.v1", "notifications: transaction notifications", "notifications: send mail",
		"notifications: send webhook",
	}
	eachInstallation(t, settings, func(t *testing.T, s *installation) {
		accounting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		t.Cleanup(accounting.Close)
		require.NoError(t, s.admin.Post(t.Context(), "/webhooks", map[string]any{"url": accounting.URL, "events": []string{"order.paid.v1"}}, nil))
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		id := newTraceID()
		placed := s.send(t, rawRequest{
			method: "POST", path: "/orders", body: validOrder, header: map[string]string{
				"Authorization": "Bearer " + ada.Token(), "Content-Type": "application/json",
				"Traceparent": "00-" + id + "-" + callerSpan + "-01",
			},
		})
		require.Equal(t, 201, placed.status)
		var o client.Order
		require.NoError(t, json.Unmarshal(placed.body, &o))
		s.awaitEvent(t, ada, o.ID, "order.paid.v1")
		var missing, orphans []string
		require.Eventually(t, func() bool {
			missing, orphans = traces.lacks(id, expected)
			return len(missing)+len(orphans) == 0
		}, timeout, pollInterval*10, "missing spans: %v; spans without their parent: %v", delayedList{&missing}, delayedList{&orphans})
	})
}

// delayedList formats a list as it is when it is printed.
type delayedList struct{ list *[]string }

func (l delayedList) String() string { b, _ := json.Marshal(*l.list); return string(b) }

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
	raw     [][]byte                      // every request
	byTrace map[string]map[string]gotSpan // by trace id and span id
}

// gotSpan is a span with its name behind that of its service.
type gotSpan struct{ name, parent string }

func newCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{byTrace: map[string]map[string]gotSpan{}}
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
	c.raw = append(c.raw, body)
	for _, resource := range request.ResourceSpans {
		service := ""
		for _, attribute := range resource.Resource.Attributes {
			if attribute.Key == "service.name" {
				service = attribute.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.add(service, span)
			}
		}
	}
}

func (c *traceCollector) add(service string, span *otlp.Span) {
	id := hex.EncodeToString(span.TraceId)
	if c.byTrace[id] == nil {
		c.byTrace[id] = map[string]gotSpan{}
	}
	c.byTrace[id][hex.EncodeToString(span.SpanId)] = gotSpan{service + ": " + span.Name, hex.EncodeToString(span.ParentSpanId)}
}

// lacks returns which of the expected spans a trace does not have, and which of its spans
// have a parent that it does not have.
func (c *traceCollector) lacks(trace string, expected []string) (missing, orphans []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, span := range c.byTrace[trace] {
		names = append(names, span.name)
		if _, known := c.byTrace[trace][span.parent]; !known && span.parent != callerSpan {
			orphans = append(orphans, span.name)
		}
	}
	for _, name := range expected {
		if !slices.Contains(names, name) {
			missing = append(missing, name)
		}
	}
	return missing, orphans
}
