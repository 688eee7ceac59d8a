package sqldb

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParametersInOrderBecomePositional(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT 1":                                  "SELECT 1",
		"VALUES ($1, $2), ($3, $4)":                 "VALUES (?, ?), (?, ?)",
		"SET a = $1 WHERE b = $2 AND c = '$3'":      "SET a = ? WHERE b = ? AND c = '$3'",
		"it''s '$9' $1":                             "it''s '$9' ?",
		"$1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11":        "? ? ? ? ? ? ? ? ? ? ?",
		"SET a = $2 WHERE b = $1":                   "SET a = $2 WHERE b = $1",
		"WHERE a = $1 OR b = $1":                    "WHERE a = $1 OR b = $1",
		"WHERE a = $1 OR b = $3":                    "WHERE a = $1 OR b = $3",
		"SELECT 'unclosed $1":                       "SELECT 'unclosed $1",
		"SELECT $":                                  "SELECT $",
		"INSERT INTO t VALUES ($1) ON CONFLICT ($1": "INSERT INTO t VALUES ($1) ON CONFLICT ($1",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, positional(text))
		})
	}
}
