package sqldb_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
)

// A refusal takes microseconds and must not wait on the only core until a transaction of many
// statements has used up the 10 ms of Go's scheduler.
func TestOnOneCoreATransactionYieldsBetweenItsStatements(t *testing.T) { //nolint:paralleltest // all goroutines share one core meanwhile
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	db, err := sqldb.Open(t.Context(), "sqlite::memory:", sqldb.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		var answered atomic.Bool
		go answered.Store(true)
		for began := time.Now(); time.Since(began) < 5*time.Millisecond; {
			var one int
			if err := tx.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
				return err
			}
		}
		require.True(t, answered.Load())
		return nil
	}))
}
