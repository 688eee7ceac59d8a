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

// BenchmarkOrder measures the money of one order from created to captured, including
// the provider, in batches of 256 on a SQLite file.
func BenchmarkOrder(b *testing.B) {
	const batch = 256
	db := sqldbtest.Open(b, "sqlite://"+filepath.Join(b.TempDir(), "bench.db"), sqldb.Options{}, app.Migrations(Service)...)
	w := &shared{db: db}
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
			dispatched, recorded := r.step(b)
			require.Equal(b, [2]int{batch, batch}, [2]int{dispatched, recorded})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch), "us/order")
}
