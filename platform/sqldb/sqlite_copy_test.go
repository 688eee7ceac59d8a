package sqldb_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
)

// Two writers count in step: a reader of the second file sees at most as much as in the
// first one. A copy that took the files one after the other would break that.
func TestCopiesOfSeveralFilesAreOfOneMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var databases []sqldb.DB
	for _, name := range []string{"a", "b"} {
		db, err := sqldb.Open(t.Context(), sqldb.SQLiteURL(filepath.Join(dir, name+".db")), sqldb.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		_, err = db.Exec(t.Context(), "CREATE TABLE counted (n INTEGER PRIMARY KEY, filler TEXT NOT NULL)")
		require.NoError(t, err)
		databases = append(databases, db)
	}
	var writers errgroup.Group
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		writers.Go(func() error {
			for ctx.Err() == nil {
				for _, db := range databases { // a is always written before b
					if _, err := db.Exec(t.Context(), "INSERT INTO counted (filler) VALUES ($1)", "some text that fills a page now and then"); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	for round := range 5 {
		copies := map[string]string{}
		to := filepath.Join(dir, "copy"+string(rune('0'+round)))
		for _, name := range []string{"a", "b"} {
			copies[filepath.Join(dir, name+".db")] = to + name + ".db"
		}
		var shown, most int64
		require.NoError(t, sqldb.CopySQLiteFiles(t.Context(), copies, func(done, total int64) {
			require.GreaterOrEqual(t, done, shown)
			shown, most = done, total
		}))
		require.Positive(t, most)
		require.Equal(t, most, shown, "all is shown as copied in the end")
		a, b := countRows(t, to+"a.db"), countRows(t, to+"b.db")
		require.LessOrEqual(t, b, a)
		require.LessOrEqual(t, a, b+4, "each writer is at most one row ahead")
	}
	stop()
	require.NoError(t, writers.Wait())
}

func countRows(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.SQLiteURL(path), sqldb.Options{})
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM counted").Scan(&n))
	require.NoError(t, db.Close())
	return n
}
