package sqldb_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

var shop = schema("00001_shop.sql", `
CREATE TABLE orders (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    status     TEXT NOT NULL,
    total      BIGINT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX orders_by_user ON orders (user_id, id);
CREATE TABLE outbox (
    event_id   TEXT PRIMARY KEY,
    type       TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);`)

var body = `{"lines":"` + strings.Repeat("x", 280) + `"}`

// BenchmarkOrder measures durable transactions of an order and its event, for several
// numbers of concurrent callers.
func BenchmarkOrder(b *testing.B) {
	for _, c := range []struct {
		name    string
		callers int
	}{{"callers=1", 1}, {"callers=8", 8}, {"callers=64", 64}, {"callers=512", 512}} {
		b.Run(c.name, func(b *testing.B) {
			onEach(b, func(b *testing.B, db sqldb.DB) {
				parallel(b, c.callers, func() error {
					return db.Tx(b.Context(), func(ctx context.Context, tx sqldb.Tx) error { return tx.Run(ctx, order()) })
				})
			})
		})
	}
}

// BenchmarkInsertRows measures the insertion of 256 events at once.
func BenchmarkInsertRows(b *testing.B) {
	onEach(b, func(b *testing.B, db sqldb.DB) {
		for b.Loop() {
			rows := make([][]any, 256)
			for i := range rows {
				rows[i] = []any{newID(), "order.created.v1", body, int64(1)}
			}
			require.NoError(b, sqldb.InsertRows(b.Context(), db, insertEvent, rows, "", nil))
		}
		b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "rows/s")
	})
}

// BenchmarkRead measures the lookup of one order by its key.
func BenchmarkRead(b *testing.B) {
	onEach(b, func(b *testing.B, db sqldb.DB) {
		require.NoError(b, db.Run(b.Context(), order()))
		var id string
		require.NoError(b, db.QueryRow(b.Context(), "SELECT id FROM orders").Scan(&id))
		parallel(b, 8, func() error {
			var status, body string
			var total int64
			return db.QueryRow(b.Context(), "SELECT status, total, body FROM orders WHERE id = $1", id).Scan(&status, &total, &body)
		})
	})
}

// BenchmarkWarmMigrate measures what Migrate costs a start with nothing to apply.
func BenchmarkWarmMigrate(b *testing.B) {
	onEach(b, func(b *testing.B, db sqldb.DB) {
		for b.Loop() {
			require.NoError(b, sqldb.Migrate(b.Context(), db, shop))
		}
	})
}

const insertEvent = "INSERT INTO outbox (event_id, type, body, created_at)"

// order returns the statements that write one order and its event.
func order() *sqldb.Batch {
	var batch sqldb.Batch
	id := newID()
	batch.Exec(nil, "INSERT INTO orders (id, user_id, status, total, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
		id, newID(), "pending", int64(1299), body, int64(1))
	batch.Exec(nil, insertEvent+" VALUES ($1, $2, $3, $4)", newID(), "order.created.v1", body, int64(1))
	return &batch
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// onEach runs a benchmark on each available kind of database.
func onEach(b *testing.B, run func(b *testing.B, db sqldb.DB)) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			url, ok := sqldbtest.URLs(b)[dialect]
			if !ok {
				b.Skipf("%s is not set", sqldbtest.Variable)
			}
			run(b, sqldbtest.Open(b, url, sqldb.Options{}, shop))
		})
	}
}

// parallel calls the function do b.N times in all, from as many goroutines as callers.
func parallel(b *testing.B, callers int, do func() error) {
	var started atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for started.Add(1) <= int64(b.N) {
				if err := do(); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	require.Nil(b, failed.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
