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

func TestABatchRunsInOrderAndReportsEachResult(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		var results []string
		report := func(what string) func(int64) error {
			return func(n int64) error {
				results = append(results, fmt.Sprint(what, " ", n))
				return nil
			}
		}
		var b sqldb.Batch
		b.Exec(report("opened"), "INSERT INTO accounts (id) VALUES ($1), ($2)", "a", "b")
		b.Exec(nil, "UPDATE accounts SET balance = $1 WHERE id = $2", 7, "b")
		b.Query(func(r sqldb.Row) error {
			var id string
			err := r.Scan(&id)
			results = append(results, "rich "+id)
			return err
		}, "SELECT id FROM accounts WHERE balance > 0")
		b.Exec(report("closed"), "DELETE FROM accounts")
		require.NoError(t, db.Run(t.Context(), &b))
		require.Equal(t, []string{"opened 2", "rich b", "closed 2"}, results)

		results = nil
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error { return tx.Run(ctx, &b) }))
		require.Equal(t, []string{"opened 2", "rich b", "closed 2"}, results)
	}, bank)
}

func TestABatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(b *sqldb.Batch){
		"a statement fails":      func(b *sqldb.Batch) { b.Exec(nil, openAccount, "a") },
		"a statement is not SQL": func(b *sqldb.Batch) { b.Exec(nil, "NONSENSE") },
		"a result is refused":    func(b *sqldb.Batch) { b.Exec(func(int64) error { return errRefused }, openAccount, "b") },
		"a row is refused": func(b *sqldb.Batch) {
			b.Query(func(sqldb.Row) error { return errRefused }, "SELECT id FROM accounts")
		},
	}
	for name, addFailure := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
				var b sqldb.Batch
				b.Exec(nil, openAccount, "a")
				addFailure(&b)
				b.Exec(nil, openAccount, "c")
				require.Error(t, db.Run(t.Context(), &b))
				require.Empty(t, accounts(t, db))

				require.Error(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
					_ = tx.Run(ctx, &b)
					return nil
				}), "even if the failure is ignored")
				require.Empty(t, accounts(t, db))
			}, bank)
		})
	}
}

func TestABatchMayOnlyReadOrBeEmpty(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a", "b")))
		count := 0
		var b sqldb.Batch
		for range 2 {
			b.Query(func(sqldb.Row) error { count++; return nil }, "SELECT id FROM accounts")
		}
		require.NoError(t, db.Run(t.Context(), &b))
		require.Equal(t, 4, count)
		require.NoError(t, db.Run(t.Context(), &sqldb.Batch{}), "an empty batch is not an error")
	}, bank)
}

func TestInsertRowsReturnsOnlyTheNewRows(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("id-7", "id-700")))
		const insert, skip = "INSERT INTO accounts (id, balance)", "ON CONFLICT DO NOTHING RETURNING id"
		var rows [][]any
		for i := range 1003 {
			rows = append(rows, []any{fmt.Sprint("id-", i), i})
		}
		added := map[string]bool{}
		require.NoError(t, sqldb.InsertRows(t.Context(), db, insert, rows, skip, func(r sqldb.Row) error {
			id, err := scanText(r)
			added[id] = true
			return err
		}))
		require.Len(t, added, 1001)
		require.NotContains(t, added, "id-7")
		require.Len(t, accounts(t, db), 1003)
		require.NoError(t, sqldb.InsertRows(t.Context(), db, insert, nil, skip, nil))
	}, bank)
}

func TestInAppliesToEveryValue(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		var ids []any
		var rows [][]any
		for i := range 777 {
			ids = append(ids, fmt.Sprint("id-", i))
			rows = append(rows, []any{ids[i], i % 2})
		}
		require.NoError(t, sqldb.InsertRows(t.Context(), db, "INSERT INTO accounts (id, balance)", rows, "", nil))

		sum := 0
		n, err := sqldb.In(t.Context(), db, "SELECT balance FROM accounts WHERE balance < $1 AND id", []any{100}, ids, "",
			func(r sqldb.Row) error {
				var balance int
				err := r.Scan(&balance)
				sum += balance
				return err
			})
		require.NoError(t, err)
		require.EqualValues(t, 777, n)
		require.Equal(t, 388, sum)

		n, err = sqldb.In(t.Context(), db, "DELETE FROM accounts WHERE id", nil, ids[1:], "AND balance = 1", nil)
		require.NoError(t, err)
		require.EqualValues(t, 388, n)
		n, err = sqldb.In(t.Context(), db, "DELETE FROM accounts WHERE id", nil, nil, "", nil)
		require.NoError(t, err)
		require.Zero(t, n, "without values no statement runs")
	}, bank)
}

func TestOptimisticUpdatesLoseNoUpdate(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("a")))
		const depositors = 20
		var wg sync.WaitGroup
		for range depositors {
			wg.Go(func() {
				for !deposit(t, db, "a") {
				}
			})
		}
		wg.Wait()
		var balance, version int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT balance, version FROM accounts").Scan(&balance, &version))
		require.Equal(t, depositors, balance)
		require.Equal(t, depositors, version)
	}, bank)
}

// deposit adds 1 by an optimistic update. It reports false if another one was faster.
func deposit(t *testing.T, db sqldb.DB, id string) bool {
	var balance, version int
	err := db.QueryRow(t.Context(), "SELECT balance, version FROM accounts WHERE id = $1", id).Scan(&balance, &version)
	if err != nil {
		t.Error(err)
		return true
	}
	n, err := db.Exec(t.Context(),
		"UPDATE accounts SET balance = $1, version = version + 1 WHERE id = $2 AND version = $3", balance+1, id, version)
	if err != nil {
		t.Error(err)
	}
	return n == 1 || err != nil
}

func TestReadsForUpdateLoseNoUpdate(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), opening("jar")))
		const depositors = 8
		outcomes := make(chan error, depositors)
		for range depositors {
			go func() {
				outcomes <- db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
					var balance int
					err := tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = $1"+tx.ForUpdate(), "jar").Scan(&balance)
					if err != nil {
						return err
					}
					_, err = tx.Exec(ctx, "UPDATE accounts SET balance = $1 WHERE id = $2", balance+1, "jar")
					return err
				})
			}()
		}
		for range depositors {
			require.NoError(t, <-outcomes)
		}
		var balance int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT balance FROM accounts WHERE id = $1", "jar").Scan(&balance))
		require.Equal(t, depositors, balance)
	}, bank)
}

func TestClaimsNeverOverlap(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		const all = 200
		var rows [][]any
		for i := range all {
			rows = append(rows, []any{fmt.Sprint("id-", i)})
		}
		require.NoError(t, sqldb.InsertRows(t.Context(), db, "INSERT INTO accounts (id)", rows, "", nil))
		claimed := make(chan string, 2*all)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for claim(t, db, claimed) > 0 {
				}
			})
		}
		wg.Wait()
		close(claimed)
		seen := map[string]bool{}
		for id := range claimed {
			require.False(t, seen[id], "%s was claimed twice", id)
			seen[id] = true
		}
		require.Len(t, seen, all)
	}, bank)
}

// claim takes some accounts for itself, as the outbox relay takes events, and returns
// how many.
func claim(t *testing.T, db sqldb.DB, claimed chan<- string) int {
	var ids []string
	err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
		ids, err = sqldb.All(ctx, tx, scanText, "SELECT id FROM accounts ORDER BY id LIMIT 7"+tx.SkipLocked())
		if err != nil {
			return err
		}
		var values []any
		for _, id := range ids {
			values = append(values, id)
		}
		_, err = sqldb.In(ctx, tx, "DELETE FROM accounts WHERE id", nil, values, "", nil)
		return err
	})
	if err != nil {
		t.Error(err)
		return 0
	}
	for _, id := range ids {
		claimed <- id
	}
	return len(ids)
}

// Whatever the length of a list is, each of its values counts once. Statements have few
// different sizes, and the lists are filled up to them.
func TestListsOfAnyLengthAreHandledOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		for _, n := range []int{0, 1, 2, 3, 5, 7, 15, 31, 47, 255, 256, 257, 300} {
			rows, ids := make([][]any, n), make([]any, n)
			for i := range n {
				ids[i] = fmt.Sprint(i)
				rows[i] = []any{ids[i], int64(1)}
			}
			require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				inserted := 0
				count := func(r sqldb.Row) error {
					var id string
					inserted++
					return r.Scan(&id)
				}
				err := sqldb.InsertRows(ctx, tx, "INSERT INTO accounts (id, balance)", rows, "RETURNING id", count)
				require.NoError(t, err)
				require.Equal(t, n, inserted)
				updated, err := sqldb.In(ctx, tx, "UPDATE accounts SET balance = balance + $1 WHERE id", []any{int64(1)}, ids, "", nil)
				require.NoError(t, err)
				require.EqualValues(t, n, updated)
				deleted, err := sqldb.In(ctx, tx, "DELETE FROM accounts WHERE balance = 2 AND id", nil, ids, "RETURNING id", count)
				require.NoError(t, err)
				require.EqualValues(t, n, deleted)
				return nil
			}), "%d rows", n)
		}
	}, bank)
}
