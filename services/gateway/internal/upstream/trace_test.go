package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/breaker"
	"troupe/platform/telemetry"
	"troupe/services/gateway/internal/upstream"
)

// An operator who looks at a slow request sees each try, why it failed, and that the circuit opened.
func TestARetryAndAnOpenCircuitAreSpans(t *testing.T) {
	t.Parallel()
	const trace = "6bf92f3577b34da6a3ce929d0e0e4736"
	var mu sync.Mutex
	var tries []telemetry.Ended
	t.Cleanup(telemetry.OnEnd(func(span telemetry.EndingSpan) {
		e := span.Describe()
		mu.Lock()
		defer mu.Unlock()
		if e.TraceID == trace {
			tries = append(tries, e)
		}
	}))
	var received []string
	c := config(t, "http://orders")
	c.Breaker = breaker.Config{Streak: 2}
	c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		received = append(received, r.Header.Get("Traceparent"))
		return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody}, nil
	})
	u := upstream.New(c)
	ctx, request := telemetry.ContinueSpans(t.Context(), "gateway", telemetry.Internal, "GET /orders", "00-"+trace+"-00f067aa0ba902b7-01")
	get := func() *upstream.Error {
		return u.Forward(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders", nil).WithContext(ctx), upstream.Rules{})
	}
	require.Nil(t, get())
	require.Equal(t, "circuit_open", get().Code)
	request.End()

	for i, traceparent := range received {
		require.Equal(t, "00-"+trace+"-"+tries[i].SpanID+"-01", traceparent, "the service continues the trace below the try")
		require.Equal(t, "502", tries[i].Attributes["http.response.status_code"])
		require.Equal(t, "502", tries[i].Attributes["error.type"])
		require.Equal(t, "client", tries[i].Kind)
	}
	require.Len(t, received, 2)
	require.Equal(t, "1", tries[1].Attributes["http.request.resend_count"])
	last := len(tries) - 1
	for _, refused := range tries[2:last] {
		require.Equal(t, "circuit_open", refused.Attributes["error.type"])
		require.Equal(t, "orders", refused.Attributes["troupe.upstream"])
		require.Equal(t, tries[last].SpanID, refused.ParentID)
	}
	require.Len(t, tries[2:last], 2, "the circuit refused the third try of the first request, and the second request")
}
