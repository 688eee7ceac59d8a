package sqldb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOldPostgresIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	err := newEnough(130_011)
	require.EqualError(t, err, "PostgreSQL 13 is too old: use version 14 or newer")
	require.False(t, worthWaiting(err))
	require.NoError(t, newEnough(140_000))
}
