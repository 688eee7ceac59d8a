package copies

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// An order and what refers to it get another id and an earlier time, its customer stays
// the same, and what is no part of an order is not copied.
func TestAnOrderIsCopiedWithAllThatRefersToIt(t *testing.T) {
	t.Parallel()
	for name, url := range sqldbtest.URLs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqldb.Open(t.Context(), url, sqldb.Options{MaxConns: 1})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			order, err := uuid.NewV7()
			require.NoError(t, err)
			placed := time.Now()
			window := Window(placed.UnixMilli() >> 16)
			exec(t, db, `CREATE TABLE orders (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, lines TEXT NOT NULL, paid BOOLEAN NOT NULL, created_at BIGINT NOT NULL)`)
			exec(t, db, `CREATE TABLE notices (user_id TEXT NOT NULL, position BIGINT NOT NULL, order_id TEXT NOT NULL, PRIMARY KEY (user_id, position))`)
			exec(t, db, `CREATE TABLE products (sku TEXT PRIMARY KEY, stock BIGINT NOT NULL)`)
			exec(t, db, `INSERT INTO products VALUES ('tea', 5)`)
			exec(t, db, `INSERT INTO notices VALUES ('ada', 1, $1)`, order.String())
			exec(t, db, `INSERT INTO orders VALUES ($1, 'ada', $2, true, $3)`, order.String(), `{"order":"`+order.String()+`"}`, placed.UnixMicro())

			c := &Copier{Databases: map[string]sqldb.DB{"orders": db}, Window: window}
			require.NoError(t, c.Prepare(t.Context()))
			require.NoError(t, c.Copy(t.Context(), 2))
			require.NoError(t, c.Copy(t.Context(), 1))

			id := c.ID(order.String(), 3)
			require.NotEqual(t, order.String(), id)
			var user, lines string
			var at, position int64
			require.NoError(t, db.QueryRow(t.Context(), "SELECT user_id, lines, created_at FROM orders WHERE id = $1", id).Scan(&user, &lines, &at))
			require.Equal(t, []string{"ada", `{"order":"` + id + `"}`}, []string{user, lines})
			require.Equal(t, placed.Add(-3*windowLength).UnixMicro(), at)
			require.NoError(t, db.QueryRow(t.Context(), "SELECT position FROM notices WHERE order_id = $1", id).Scan(&position))
			require.Equal(t, []int{4, 4, 1}, []int{count(t, db, "orders"), count(t, db, "notices"), count(t, db, "products")})
			require.EqualValues(t, 3, c.Made())
		})
	}
}

func exec(t *testing.T, db sqldb.DB, sql string, args ...any) {
	t.Helper()
	_, err := db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func count(t *testing.T, db sqldb.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}
