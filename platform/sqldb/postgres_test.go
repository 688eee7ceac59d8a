package sqldb_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a", "b")))

	var bothHoldOne sync.WaitGroup
	bothHoldOne.Add(2)
	runs := make(chan string, 20)
	told := make(chan string, 20)
	transfer := func(from, to string) func() {
		var once sync.Once
		return func() {
			err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				runs <- from
				tx.OnCommit(func() { told <- from })
				if _, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - 1 WHERE id = $1", from); err != nil {
					return err
				}
				once.Do(func() { // only the first time, or the second run would wait for ever
					bothHoldOne.Done()
					bothHoldOne.Wait()
				})
				_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + 1 WHERE id = $1", to)
				if err != nil {
					return errRefused // even if fn hides it
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(transfer("a", "b"))
	wg.Go(transfer("b", "a"))
	wg.Wait()
	require.GreaterOrEqual(t, len(runs), 3, "at least one of the two was run again")
	require.Len(t, told, 2, "and each was told once")
	require.Equal(t, 0, balance(t, db, "a"))
	require.Equal(t, 0, balance(t, db, "b"))
}

func TestATransactionOnADeadConnectionIsRunAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1}, bank)
	other := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1})
	var pid int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	var killed bool
	require.NoError(t, other.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&killed))
	require.True(t, killed)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	require.Equal(t, []string{"a"}, accounts(t, db))
}

func TestARelaxedCommitIsRelaxedOnlyForItself(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1})
	mode := func(ctx context.Context, q sqldb.Querier) (mode string) {
		require.NoError(t, q.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&mode))
		return mode
	}
	require.NoError(t, db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		require.Equal(t, "off", mode(ctx, tx))
		return nil
	}))
	require.Equal(t, "on", mode(t.Context(), db))
}

func balance(t *testing.T, db sqldb.DB, id string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT balance FROM accounts WHERE id = $1", id).Scan(&n))
	return n
}
