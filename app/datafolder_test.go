//go:build unix

package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADataFolderThatOthersMayOpenHoldsOnlyPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o644))
	var log bytes.Buffer
	system, err := Start(t.Context(), Config{
		Services: []Service{consumer(t, &atomic.Int64{})},
		Environ:  map[string]string{"TROUPE_DATA": dir, "PAYMENTS_LISTEN": "127.0.0.1:0"},
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2, "the database and the lock")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		require.Equal(t, "-rw-------", info.Mode().String(), file.Name())
	}
	require.NoError(t, system.Stop())
	require.Contains(t, log.String(), "others may look into the data folder")
}
