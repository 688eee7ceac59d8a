package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type placeOrder struct {
	Body struct {
		Items []struct {
			SKU      string `json:"sku" minLength:"1" maxLength:"64"`
			Quantity int    `json:"quantity" minimum:"1" maximum:"1000"`
		} `json:"items" minItems:"1" maxItems:"100"`
		PaymentMethod string `json:"payment_method" minLength:"1"`
	}
}

type placedOrder struct {
	Body struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
}

// discard is a ResponseWriter without costs of its own.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkPost measures what this package costs a small POST: one input read and
// validated, one response, one histogram, no log line.
func BenchmarkPost(b *testing.B) {
	a := New(Config{
		Service: "orders", Title: "Orders", Version: "1", Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
	Post(a, "/orders", func(_ context.Context, _ *placeOrder) (*placedOrder, error) {
		out := &placedOrder{}
		out.Body.ID, out.Body.Status = "0190", "pending"
		return out, nil
	}, Public(), Status(http.StatusCreated))
	h := a.Handler()
	const body = `{"items":[{"sku":"book","quantity":1},{"sku":"pen","quantity":3}],"payment_method":"pm_card_visa"}`
	reader := strings.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "/orders", reader)
	r.Header["Content-Type"] = []string{"application/json"}
	r.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		h.ServeHTTP(discard{http.Header{}}, r)
	}
}
