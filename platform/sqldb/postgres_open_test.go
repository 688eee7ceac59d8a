package sqldb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOldPostgresIsRefusedWithoutWaiting(t *testing.T) {
	t.Parallel()
	err := checkVersion(130_011)
	require.EqualError(t, err, "PostgreSQL 13 is too old: use version 14 or newer")
	require.False(t, isTemporary(err))
	require.NoError(t, checkVersion(140_000))
}
