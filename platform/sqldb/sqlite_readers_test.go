package sqldb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadsOneAfterAnotherOpenOneConnection(t *testing.T) {
	t.Parallel()
	db, err := openSQLite(t.Context(), "sqlite::memory:", Options{MaxConns: 4})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for range 20 {
		require.NoError(t, db.Ping(t.Context()))
	}
	require.Equal(t, 2, db.(*sqliteDB).pool.Stats().OpenConnections, "that of the writer, and one that reads")
}

func TestReadsAtATimeOpenOneConnectionEachUpToTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 3
	db, err := openSQLite(t.Context(), "sqlite::memory:", Options{MaxConns: limit})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for range 2 {
		var open []Rows
		for range limit {
			rows, err := db.Query(t.Context(), "SELECT 1")
			require.NoError(t, err)
			open = append(open, rows)
		}
		for _, rows := range open {
			rows.Close()
		}
	}
	require.Equal(t, 1+limit, db.(*sqliteDB).pool.Stats().OpenConnections)
}
