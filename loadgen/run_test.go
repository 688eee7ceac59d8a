package loadgen

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// shopAt returns a shop of one customer at a gateway that is only a handler.
func shopAt(t *testing.T, clients int, handler http.HandlerFunc) *Shop {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &Shop{
		Config: Config{Gateway: server.URL, Clients: clients, SKU: "tea"}, http: server.Client(),
		customers: []*customer{{api: client.New(server.URL)}},
	}
}

func accept(w http.ResponseWriter) {
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(`{"id":"0190"}`))
}

// Orders that are due while the system stalls wait too, although they are sent only
// afterwards and then answered at once.
func TestAStallDelaysAllOrdersThatAreDueMeanwhile(t *testing.T) {
	t.Parallel()
	const stall = 400 * time.Millisecond
	var once sync.Once
	shop := shopAt(t, 1, func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { <-time.After(stall) })
		accept(w)
	})
	report := shop.Run(t.Context(), Offer{Rate: 100, Orders: 20}) // all are due within 200 ms
	require.Equal(t, 20, report.Accepted)
	require.GreaterOrEqual(t, report.Latency.P50, 250.0, "milliseconds")
	require.GreaterOrEqual(t, report.Latency.Max, 400.0)
}

func TestOrdersAreOfferedAtTheRateForTheTime(t *testing.T) {
	t.Parallel()
	shop := shopAt(t, 4, func(w http.ResponseWriter, _ *http.Request) { accept(w) })
	report := shop.Run(t.Context(), Offer{Rate: 200, For: 100 * time.Millisecond})
	require.Equal(t, 20, report.Offered)
	require.GreaterOrEqual(t, report.Took, 95*time.Millisecond)
	require.Len(t, shop.customers[0].orders, 20)
}

func TestRefusalsAndFailuresAreCounted(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	statuses := []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusCreated}
	shop := shopAt(t, 1, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		status := statuses[0]
		statuses = statuses[1:]
		mu.Unlock()
		if status == http.StatusCreated {
			accept(w)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"detail":"try again later"}`))
	})
	report := shop.Run(t.Context(), Offer{Orders: 4})
	require.Equal(t, [4]int{4, 1, 2, 1}, [4]int{report.Offered, report.Accepted, report.Refused, report.Failed})
	require.Equal(t, "503 try again later", report.Failure)
}
