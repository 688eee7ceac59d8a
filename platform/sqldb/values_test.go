package sqldb_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
)

// roundTrip writes values of every type and reads them back.
func roundTrip(t *testing.T, db sqldb.DB) {
	type kind string
	note := "naïve ☃"
	_, err := db.Exec(t.Context(), "INSERT INTO accounts (id, iban, balance, open, notes) VALUES ($1, $2, $3, $4, $5)",
		kind("k"), &note, int64(1)<<60, false, json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	var (
		id      kind
		iban    *string
		balance int64
		open    bool
		notes   json.RawMessage
	)
	row := func(columns string) sqldb.Row { return db.QueryRow(t.Context(), "SELECT "+columns+" FROM accounts") }
	require.NoError(t, row("id, iban, balance, open, notes").Scan(&id, &iban, &balance, &open, &notes))
	require.Equal(t, kind("k"), id)
	require.Equal(t, &note, iban)
	require.Equal(t, int64(1)<<60, balance)
	require.False(t, open)
	require.JSONEq(t, `{"a":1}`, string(notes))

	_, err = db.Exec(t.Context(), "UPDATE accounts SET iban = $1, balance = $2", (*string)(nil), -7)
	require.NoError(t, err)
	var sum, count int
	require.NoError(t, row("iban, notes").Scan(&iban, &notes))
	require.Nil(t, iban)
	require.NoError(t, row("SUM(balance), COUNT(*)").Scan(&sum, &count))
	require.Equal(t, -7, sum)
	require.Equal(t, 1, count)
}

// badText passes text that cannot be stored to every method.
func badText(t *testing.T, db sqldb.DB) {
	type kind string
	null := "a\x00b"
	refused := func(err error) {
		t.Helper()
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, fault.Invalid, f.Kind)
		require.Equal(t, "bad_text", f.Code)
	}
	const find = "SELECT id FROM accounts WHERE id = $1"
	for _, bad := range []any{null, "\xff", kind(null), &null, json.RawMessage(null)} {
		var b sqldb.Batch
		b.Exec(nil, openAccount, bad)
		refused(db.Run(t.Context(), &b))
		_, err := db.Exec(t.Context(), openAccount, bad)
		refused(err)
		refused(db.QueryRow(t.Context(), find, bad).Scan(new(string)))
		refused(db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("fine")(ctx, tx))
			return tx.QueryRow(ctx, find, bad).Scan(new(string))
		}))
	}
	require.Empty(t, accounts(t, db))
}
