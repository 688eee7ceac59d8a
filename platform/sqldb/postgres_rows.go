package sqldb

import "github.com/jackc/pgx/v5"

// postgresRows are Rows that call onClose once, when they are read to the end or closed.
type postgresRows struct {
	pgx.Rows
	text    string // of the statement, for errors
	err     error
	done    bool
	onClose func(error) error // takes the error of reading, returns that of Err; may be nil
}

func (r *postgresRows) Next() bool {
	if !r.done && r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *postgresRows) Err() error { return r.err }

func (r *postgresRows) Close() {
	if r.done {
		return
	}
	r.done = true
	r.Rows.Close()
	r.err = wrapPostgres(r.text, r.Rows.Err())
	if r.onClose != nil {
		r.err = r.onClose(r.err)
	}
}
