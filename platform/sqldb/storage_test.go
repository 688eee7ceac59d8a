package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func requireFault(t *testing.T, code string, err error) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, f.Code)
	require.Equal(t, fault.Unavailable, f.Kind)
	require.Positive(t, f.RetryAfter)
}

// limitSize lets the file have that many pages, as a full disk would.
func limitSize(t *testing.T, db sqldb.DB, pages int) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRow(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(new(int))
	}))
}

func open(account, notes string) func(context.Context, sqldb.Tx) error {
	return func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO accounts (id, notes) VALUES ($1, $2)", account, notes)
		return err
	}
}

// A disk that fills up while customers are at work, and is cleared again.
func TestAFullDiskRefusesWritesAndKeepsReading(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, sqldb.SQLiteURL(filepath.Join(t.TempDir(), "full.db")), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), open("ann", "Ann")))
	limitSize(t, db, 40)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var stored, refused int
	for i := range 400 {
		wg.Go(func() {
			err := db.Tx(t.Context(), open(fmt.Sprint(i), strings.Repeat("x", 1000)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stored++
				return
			}
			refused++
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != "storage_full" {
				t.Errorf("an error that does not name the full disk: %v", err)
			}
		})
	}
	wg.Wait()
	require.Positive(t, stored)
	require.Positive(t, refused)
	var count int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM accounts").Scan(&count))
	require.Equal(t, stored+1, count, "what was reported as stored is stored, and nothing else")
	limitSize(t, db, 1<<20)
	require.NoError(t, db.Tx(t.Context(), open("bob", "Bob")), "it recovers by itself")
}

// An operator who demotes the primary, or a failover that leaves a replica behind.
func TestAReadOnlyPostgresRefusesWritesAndKeepsReading(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{}, bank)
	err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION READ ONLY"); err != nil {
			return err
		}
		return open("ann", "Ann")(ctx, tx)
	})
	requireFault(t, "storage_read_only", err)
}

func TestAPathMayHaveAnyCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"h#x", "q?x", "100%", "%41", "a b", "ü&;+"} {
		path := filepath.Join(t.TempDir(), name, "shop.db")
		db, err := sqldb.Open(t.Context(), sqldb.SQLiteURL(path), sqldb.Options{})
		require.NoError(t, err, name)
		require.NoError(t, db.Close())
		require.FileExists(t, path)
	}
}
