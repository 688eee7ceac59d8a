package sqldb

import "context"

// sqliteTx is one caller's part of a group. Its statements look at the context before
// they start and are never interrupted: SQLite might roll back the work of the whole
// group.
type sqliteTx struct {
	txState
	conn *conn
}

// run runs fn. The writer begins and ends the transaction.
func (t *sqliteTx) run(ctx context.Context, fn func(context.Context, Tx) error) error {
	return t.call(ctx, fn, t)
}

func (t *sqliteTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := t.canRun(ctx); err != nil {
		return 0, err
	}
	n, err := t.conn.exec(context.WithoutCancel(ctx), text, args...)
	if err != nil {
		return 0, t.remember(withStatement(text, err))
	}
	return n, nil
}

func (t *sqliteTx) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if err := t.canRun(ctx); err != nil {
		return nil, err
	}
	rows, err := t.conn.query(context.WithoutCancel(ctx), text, args...)
	if err != nil {
		return nil, t.remember(withStatement(text, err))
	}
	t.openRows = &sqliteRows{Rows: rows, text: text, onClose: t.rowsClosed}
	return t.openRows, nil
}

func (t *sqliteTx) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := t.Query(ctx, text, args...)
	return row{rows, err}
}

func (t *sqliteTx) Run(ctx context.Context, b *Batch) error {
	return t.remember(RunEach(ctx, t, b))
}

// SkipLocked returns "", because there is one writer.
func (t *sqliteTx) SkipLocked() string { return "" }

// ForUpdate returns "" for the same reason.
func (t *sqliteTx) ForUpdate() string { return "" }

// ForShare returns "" for the same reason.
func (t *sqliteTx) ForShare() string { return "" }
