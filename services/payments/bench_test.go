package payments

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/bus"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// BenchmarkOrder is what the money of one order costs from created to captured,
// provider included, in batches of 256 on a SQLite file.
func BenchmarkOrder(b *testing.B) {
	const batch = 256
	db := sqldbtest.Open(b, "sqlite://"+filepath.Join(b.TempDir(), "bench.db"), sqldb.Options{}, app.Migrations(Service)...)
	w := &world{db: db}
	r := w.replica(b)
	total := events.Money{Amount: 700, Currency: "EUR"}
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		var created, confirmed []bus.Delivery
		for i := range batch {
			id := fmt.Sprintf("%d-%d", n, i)
			created = append(created, delivery(b, events.OrderCreated{OrderID: id, UserID: "u", Total: total, PaymentMethod: "pm_card_visa"}))
			confirmed = append(confirmed, delivery(b, events.OrderConfirmed{OrderID: id, UserID: "u", Total: total}))
		}
		b.StartTimer()
		for _, deliveries := range [][]bus.Delivery{created, confirmed} {
			require.NoError(b, r.inbox.Consume(b.Context(), deliveries))
			done, err := r.callProvider(b.Context())
			require.NoError(b, err)
			require.Equal(b, 2*batch, done)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "us/order")
}
