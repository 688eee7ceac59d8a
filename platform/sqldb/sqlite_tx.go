package sqldb

import "context"

// sqliteTx is one caller's part of a group. Its statements look at the context
// before they start and are never interrupted in the middle: SQLite would undo
// the neighbours' work too.
type sqliteTx struct {
	txState
	conn *conn
}

func (t *sqliteTx) run(ctx context.Context, fn func(context.Context, Tx) error) error {
	return t.call(ctx, fn, t)
}

func (t *sqliteTx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	n, err := t.conn.exec(context.WithoutCancel(ctx), text, args...)
	if err != nil {
		return 0, t.note(failed(text, err))
	}
	return n, nil
}

func (t *sqliteTx) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := t.conn.query(context.WithoutCancel(ctx), text, args...)
	if err != nil {
		return nil, t.note(failed(text, err))
	}
	t.reading = &sqliteRows{Rows: rows, text: text, after: t.read}
	return t.reading, nil
}

func (t *sqliteTx) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := t.Query(ctx, text, args...)
	return row{rows, err}
}

func (t *sqliteTx) Run(ctx context.Context, b *Batch) error {
	return t.note(RunEach(ctx, t, b))
}

// SkipLocked is empty: there is one writer.
func (t *sqliteTx) SkipLocked() string { return "" }

// ForUpdate is empty for the same reason.
func (t *sqliteTx) ForUpdate() string { return "" }
