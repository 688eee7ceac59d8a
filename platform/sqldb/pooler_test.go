package sqldb_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// pooled returns the URL of a new database through a pooler that gives each transaction
// any of three sessions (jackc/pgx#602, launchbadge/sqlx#67).
func pooled(t *testing.T) string {
	t.Helper()
	at := map[string]string{"bank": sqldbtest.CreateDatabase(t, "")}
	return sqldbtest.PgBouncer(t, at, "pool_mode = transaction", "default_pool_size = 3")["bank"]
}

func TestManyTransactionsShareTheSessionsOfAPooler(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, pooled(t), sqldb.Options{MaxConns: 8}, bank)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				if _, err := tx.Exec(ctx, "INSERT INTO accounts (id, notes) VALUES ($1, $2)", id, id); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + $2 WHERE id = $1", id, int64(i))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			var n int
			if err := db.QueryRow(t.Context(), "SELECT balance FROM accounts WHERE id = $1", id).Scan(&n); err != nil || n != i {
				t.Errorf("account %s has %d: %v", id, n, err)
			}
		})
	}
	wg.Wait()
	require.Len(t, accounts(t, db), 40)
}

// A lock that stays behind in a session of the pooler would stop every later migration.
func TestReplicasBehindAPoolerMigrateInTurns(t *testing.T) {
	t.Parallel()
	at := pooled(t)
	var wg sync.WaitGroup
	for range 4 {
		db := sqldbtest.Open(t, at, sqldb.Options{MaxConns: 2})
		wg.Go(func() {
			if err := sqldb.Migrate(t.Context(), db, bank); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := sqldbtest.Open(t, at, sqldb.Options{MaxConns: 2}, bank)
	var locks int
	require.NoError(t, db.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&locks))
	require.Zero(t, locks)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
}
