package sqldb

import "context"

// Unreachable returns db, whose calls fail while away returns true, as those of a server
// that cannot be reached. What has begun goes on.
func Unreachable(db DB, away func() bool) DB { return unreachable{db, away} }

type unreachable struct {
	DB
	away func() bool
}

func (d unreachable) err() error {
	if d.away() {
		return errUnavailable
	}
	return nil
}

func (d unreachable) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := d.err(); err != nil {
		return 0, err
	}
	return d.DB.Exec(ctx, sql, args...)
}

func (d unreachable) Query(ctx context.Context, sql string, args ...any) (Rows, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.DB.Query(ctx, sql, args...)
}

func (d unreachable) QueryRow(ctx context.Context, sql string, args ...any) Row {
	if err := d.err(); err != nil {
		return failedRow{err}
	}
	return d.DB.QueryRow(ctx, sql, args...)
}

// failedRow is the row of a query that could not be sent.
type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (d unreachable) Run(ctx context.Context, b *Batch) error {
	if err := d.err(); err != nil {
		return err
	}
	return d.DB.Run(ctx, b)
}

func (d unreachable) Tx(ctx context.Context, fn func(context.Context, Tx) error) error {
	if err := d.err(); err != nil {
		return err
	}
	return d.DB.Tx(ctx, fn)
}

func (d unreachable) TxRelaxed(ctx context.Context, fn func(context.Context, Tx) error) error {
	if err := d.err(); err != nil {
		return err
	}
	return d.DB.TxRelaxed(ctx, fn)
}

func (d unreachable) Ping(ctx context.Context) error {
	if err := d.err(); err != nil {
		return err
	}
	return d.DB.Ping(ctx)
}
