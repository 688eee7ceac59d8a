package sqldb_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// An operator has the file open in another program, which holds its lock for minutes
// (apache/steve#70, sqlitebrowser/sqlitebrowser#2635). Every caller learns soon that nothing was
// done, however many wait, and reading works.
func TestAFileThatAnotherProgramHasLockedRefusesWritesSoon(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bank.db")
	db := sqldbtest.Open(t, sqldb.SQLiteURL(file), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	unlock := lock(t, file)
	began := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() { errs[i] = db.Tx(t.Context(), opening(strconv.Itoa(i))) })
	}
	require.Equal(t, []string{"a"}, accounts(t, db), "reading works")
	wg.Wait()
	for _, err := range errs {
		requireFault(t, "storage_busy", err)
	}
	require.Less(t, time.Since(began), 8*time.Second, "20 callers that wait one after the other would take 40 s")
	unlock()
	require.NoError(t, db.Tx(t.Context(), opening("b")))
	require.Equal(t, []string{"a", "b"}, accounts(t, db))
}

// lock takes the lock of a file, as another program would, and returns what releases it.
func lock(t *testing.T, file string) (unlock func()) {
	t.Helper()
	other, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	conn, err := other.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	return func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}
