//go:build unix

package sqldb_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// The umask belongs to the process, so this test runs alone.
func TestOnlyItsOwnerCanReadADatabaseFile(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o777))
	db := sqldbtest.Open(t, "sqlite://"+filepath.Join(dir, "users.db"), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	require.Equal(t, map[string]string{"users.db": "-rw-------", "users.db-wal": "-rw-------", "users.db-shm": "-rw-------"}, modes(t, dir))
}

func TestFilesOfAnEarlierVersionBecomePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "users.db")
	db := sqldbtest.Open(t, "sqlite://"+file, sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		require.NoError(t, os.Chmod(name, 0o644))
	}
	var log bytes.Buffer
	sqldbtest.Open(t, "sqlite://"+file, sqldb.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, bank)
	require.Equal(t, map[string]string{"users.db": "-rw-------", "users.db-wal": "-rw-------", "users.db-shm": "-rw-------"}, modes(t, dir))
	require.Contains(t, log.String(), "could be read by others")
}

// modes returns the modes of the files in a folder by name.
func modes(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		found[e.Name()] = info.Mode().String()
	}
	return found
}
