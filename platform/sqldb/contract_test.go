package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

var bank = schema("00001_bank.sql", `
CREATE TABLE accounts (
    id      TEXT PRIMARY KEY,
    iban    TEXT UNIQUE,
    balance BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 0,
    open    BOOLEAN NOT NULL DEFAULT TRUE,
    notes   TEXT
);
CREATE TABLE entries (
    id      TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED
);`)

// schema returns a set of one migration.
func schema(file, sql string) fstest.MapFS {
	return fstest.MapFS{"migrations/" + file: {Data: []byte("-- +goose Up\n" + sql + "\n")}}
}

var errRefused = errors.New("refused")

const openAccount = "INSERT INTO accounts (id) VALUES ($1)"

// contract is what both databases promise.
var contract = []struct {
	promise string
	test    func(t *testing.T, db sqldb.DB)
}{
	{"a transaction that returns nil is committed", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a", "b")))
		require.Equal(t, []string{"a", "b"}, accounts(t, db))
	}},
	{"a transaction that fails leaves nothing and returns its own error", func(t *testing.T, db sqldb.DB) {
		err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("a")(ctx, tx))
			return errRefused
		})
		require.Equal(t, errRefused, err)
		require.Empty(t, accounts(t, db))
	}},
	{"a relaxed transaction is committed too", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.TxRelaxed(t.Context(), opening("a")))
		require.NoError(t, db.Tx(t.Context(), opening("b")))
		require.Equal(t, []string{"a", "b"}, accounts(t, db))
	}},
	{"a transaction without statements succeeds", func(t *testing.T, db sqldb.DB) {
		committed := false
		require.NoError(t, db.Tx(t.Context(), func(_ context.Context, tx sqldb.Tx) error {
			tx.OnCommit(func() { committed = true })
			return nil
		}))
		require.True(t, committed)
	}},
	{"others see nothing before the commit", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("a")(ctx, tx))
			require.Empty(t, accounts(t, db))
			return nil
		}))
		require.Equal(t, []string{"a"}, accounts(t, db))
	}},
	{"OnCommit is called when others can see the commit", func(t *testing.T, db sqldb.DB) {
		var seen []string
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			tx.OnCommit(func() { seen = accounts(t, db) })
			return opening("a")(ctx, tx)
		}))
		require.Equal(t, []string{"a"}, seen)
	}},
	{"OnCommit is not called if the transaction fails", func(t *testing.T, db sqldb.DB) {
		require.ErrorIs(t, db.Tx(t.Context(), func(_ context.Context, tx sqldb.Tx) error {
			tx.OnCommit(func() { panic("called") })
			return errRefused
		}), errRefused)
	}},
	{"a commit that fails leaves nothing and calls no OnCommit", func(t *testing.T, db sqldb.DB) {
		require.Error(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			tx.OnCommit(func() { panic("called") })
			if err := opening("a")(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO entries (id, account) VALUES ($1, $2)", "e", "missing")
			return err
		}))
		require.Empty(t, accounts(t, db))
		require.NoError(t, db.Tx(t.Context(), opening("b")), "the next transaction is not harmed")
	}},
	{"after a failed statement the transaction can only fail", func(t *testing.T, db sqldb.DB) {
		err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("a")(ctx, tx))
			_, err := tx.Exec(ctx, openAccount, "a")
			require.Error(t, err, "a duplicate key")
			require.Error(t, opening("b")(ctx, tx), "no further statement runs")
			return nil
		})
		require.Error(t, err)
		require.Empty(t, accounts(t, db))
	}},
	{"a panic surfaces in its caller and harms no other transaction", func(t *testing.T, db sqldb.DB) {
		require.PanicsWithValue(t, "oh", func() {
			_ = db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				require.NoError(t, opening("a")(ctx, tx))
				panic("oh")
			})
		})
		require.Empty(t, accounts(t, db))
		require.NoError(t, db.Tx(t.Context(), opening("b")))
	}},
	{"a goroutine that ends inside a transaction harms no other", func(t *testing.T, db sqldb.DB) {
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				_ = opening("a")(ctx, tx)
				runtime.Goexit()
				return nil
			})
		})
		wg.Wait()
		require.Empty(t, accounts(t, db))
		require.NoError(t, db.Tx(t.Context(), opening("b")))
	}},
	{"a context that has ended starts nothing", func(t *testing.T, db sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, db.Tx(ctx, func(context.Context, sqldb.Tx) error { panic("started") }), context.Canceled)
		_, err := db.Exec(ctx, openAccount, "a")
		require.ErrorIs(t, err, context.Canceled)
		_, err = db.Query(ctx, "SELECT id FROM accounts")
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, accounts(t, db))
	}},
	{"a context that ends in a transaction rolls it back", func(t *testing.T, db sqldb.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("a")(ctx, tx))
			cancel()
			return opening("b")(ctx, tx)
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, accounts(t, db))
	}},
	{"a transaction inside a transaction is refused", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.ErrorContains(t, db.Tx(ctx, opening("a")), "inside a transaction")
			_, err := db.Exec(ctx, openAccount, "a")
			require.ErrorContains(t, err, "inside a transaction")
			return opening("b")(ctx, tx)
		}))
		require.Equal(t, []string{"b"}, accounts(t, db))
	}},
	{"a transaction that has ended runs no statement", func(t *testing.T, db sqldb.DB) {
		var kept sqldb.Tx
		require.NoError(t, db.Tx(t.Context(), func(_ context.Context, tx sqldb.Tx) error {
			kept = tx
			return nil
		}))
		require.ErrorContains(t, opening("a")(t.Context(), kept), "has ended")
		require.Empty(t, accounts(t, db))
	}},
	{"rows are closed before the next statement", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a", "b")))
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			rows, err := tx.Query(ctx, "SELECT id FROM accounts")
			require.NoError(t, err)
			require.True(t, rows.Next())
			require.ErrorContains(t, opening("c")(ctx, tx), "close them first")
			rows.Close()
			rows.Close()
			return opening("c")(ctx, tx)
		}))
		require.Equal(t, []string{"a", "b", "c"}, accounts(t, db))
	}},
	{"rows left open do not prevent the commit", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("a", "b")(ctx, tx))
			rows, err := tx.Query(ctx, "SELECT id FROM accounts")
			require.NoError(t, err)
			require.True(t, rows.Next())
			return nil
		}))
		require.Equal(t, []string{"a", "b"}, accounts(t, db))
	}},
	{"no row is ErrNoRows and does not fail the transaction", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			var id string
			err := tx.QueryRow(ctx, "SELECT id FROM accounts WHERE id = $1", "missing").Scan(&id)
			require.ErrorIs(t, err, sqldb.ErrNoRows)
			return opening("a")(ctx, tx)
		}))
		require.ErrorIs(t, db.QueryRow(t.Context(), "SELECT id FROM accounts WHERE id = $1", "x").Scan(new(string)), sqldb.ErrNoRows)
	}},
	{"an error names its statement", func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "INSERT INTO nowhere\n(id) VALUES ($1)", "a")
		require.ErrorContains(t, err, "INSERT INTO nowhere (id)")
		require.ErrorContains(t, db.QueryRow(t.Context(), "SELECT nothing FROM accounts").Scan(new(string)), "SELECT nothing")
	}},
	{"Exec returns the number of rows it affected", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a", "b", "c")))
		n, err := db.Exec(t.Context(), "UPDATE accounts SET balance = $1 WHERE id <> $2", 5, "b")
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
	}},
	{"arguments are bound by their number", func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "INSERT INTO accounts (id, iban, notes) VALUES ($2, $1, $1)", "one", "two")
		require.NoError(t, err)
		var id, iban, notes string
		require.NoError(t, db.QueryRow(t.Context(), "SELECT id, iban, notes FROM accounts").Scan(&id, &iban, &notes))
		require.Equal(t, []string{"two", "one", "one"}, []string{id, iban, notes})
	}},
	{"values come back as they went in", roundTrip},
	{"RETURNING returns rows in a transaction", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a", "b")))
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			ids, err := sqldb.All(ctx, tx, scanText, "DELETE FROM accounts RETURNING id")
			require.ElementsMatch(t, []string{"a", "b"}, ids)
			return err
		}))
		require.Empty(t, accounts(t, db))
	}},
	{"a query outside a transaction only reads", func(t *testing.T, db sqldb.DB) {
		_, err := db.Query(t.Context(), "INSERT INTO accounts (id) VALUES ($1) RETURNING id", "a")
		require.ErrorContains(t, err, "needs a Tx")
		ids, err := sqldb.All(t.Context(), db, scanText, "\n\tWITH a AS (SELECT id FROM accounts) SELECT id FROM a")
		require.NoError(t, err)
		require.Empty(t, ids)
	}},
	{"text that PostgreSQL cannot store is refused", badText},
	{"a closed database refuses everything", func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Close())
		require.NoError(t, db.Close(), "twice is fine")
		require.ErrorIs(t, db.Tx(t.Context(), opening("a")), sqldb.ErrClosed)
		_, err := db.Exec(t.Context(), openAccount, "a")
		require.ErrorIs(t, err, sqldb.ErrClosed)
		_, err = db.Query(t.Context(), "SELECT id FROM accounts")
		require.ErrorIs(t, err, sqldb.ErrClosed)
		require.Error(t, db.Ping(t.Context()))
	}},
	{"Close waits for the transaction that runs", func(t *testing.T, db sqldb.DB) {
		running, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			done <- db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				if err := opening("a")(ctx, tx); err != nil {
					return err
				}
				close(running)
				<-proceed
				return opening("b")(ctx, tx)
			})
		}()
		<-running
		closed := make(chan error)
		go func() { closed <- db.Close() }()
		close(proceed)
		require.NoError(t, <-done)
		require.NoError(t, <-closed)
	}},
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, c := range contract {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, c.test, bank)
		})
	}
}

// opening returns the function of a transaction that opens accounts.
func opening(ids ...string) func(context.Context, sqldb.Tx) error {
	return func(ctx context.Context, tx sqldb.Tx) error {
		for _, id := range ids {
			if _, err := tx.Exec(ctx, openAccount, id); err != nil {
				return fmt.Errorf("open account: %w", err)
			}
		}
		return nil
	}
}

// accounts returns the ids of all accounts that are committed.
func accounts(t *testing.T, db sqldb.DB) []string {
	t.Helper()
	ids, err := sqldb.All(t.Context(), db, scanText, "SELECT id FROM accounts ORDER BY id")
	require.NoError(t, err)
	return ids
}

func scanText(r sqldb.Row) (s string, err error) { return s, r.Scan(&s) }
