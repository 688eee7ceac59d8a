package sqldb_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestCallsOfADatabaseThatIsMadeUnreachableFailAsThoseOfAServerThatIsAway(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, real sqldb.DB) {
		away := false
		db := sqldb.Unreachable(real, func() bool { return away })
		inTx := func(context.Context, sqldb.Tx) error { return nil }
		var batch sqldb.Batch
		batch.Query(func(r sqldb.Row) error { return r.Scan(new(int64)) }, "SELECT 1")
		calls := map[string]func() error{
			"exec": func() error { _, err := db.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS a (n INTEGER)"); return err },
			"query": func() error {
				rows, err := db.Query(t.Context(), "SELECT 1")
				if err == nil {
					rows.Close()
				}
				return err
			},
			"row":     func() error { return db.QueryRow(t.Context(), "SELECT 1").Scan(new(int64)) },
			"run":     func() error { return db.Run(t.Context(), &batch) },
			"tx":      func() error { return db.Tx(t.Context(), inTx) },
			"relaxed": func() error { return db.TxRelaxed(t.Context(), inTx) },
			"ping":    func() error { return db.Ping(t.Context()) },
		}
		for _, away = range []bool{false, true, false} {
			for name, call := range calls {
				err := call()
				require.Equal(t, away, fault.Is(err, fault.Unavailable), "%s: %v", name, err)
				require.Equal(t, away, err != nil, "%s: %v", name, err)
			}
		}
	})
}
