package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 256

// conn is one SQLite connection with its prepared statements. One goroutine
// uses it at a time.
type conn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

func (c *conn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := c.prepared[text]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, positional(text))
	if err != nil {
		return nil, err
	}
	if len(c.prepared) >= maxStatements {
		c.forgetOne()
	}
	c.prepared[text] = s
	return s, nil
}

// forgetOne drops any one statement; which one hardly matters, for a program
// has far fewer statements than there is room.
func (c *conn) forgetOne() {
	for text, s := range c.prepared {
		_ = s.Close()
		delete(c.prepared, text)
		return
	}
}

func (c *conn) exec(ctx context.Context, text string, args ...any) (int64, error) {
	args, err := checked(args)
	if err != nil {
		return 0, err
	}
	s, err := c.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (c *conn) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	args, err := checked(args)
	if err != nil {
		return nil, err
	}
	s, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (c *conn) close() error {
	for _, s := range c.prepared {
		_ = s.Close() // they end with the connection anyway
	}
	return c.Conn.Close()
}

// sqliteRows are Rows that tell, once, when they are through.
type sqliteRows struct {
	*sql.Rows
	text  string
	err   error
	after func(error)
}

func (r *sqliteRows) Next() bool {
	if r.after == nil {
		return false
	}
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan also reads text into json.RawMessage, which database/sql alone would not.
func (r *sqliteRows) Scan(dest ...any) error {
	for i, d := range dest {
		if raw, ok := d.(*json.RawMessage); ok {
			dest[i] = (*[]byte)(raw)
		}
	}
	return r.Rows.Scan(dest...)
}

func (r *sqliteRows) Err() error { return r.err }

func (r *sqliteRows) Close() {
	if r.after == nil {
		return
	}
	after := r.after
	r.after = nil
	if err := errors.Join(r.Rows.Err(), r.Rows.Close()); err != nil {
		r.err = failed(r.text, err)
	}
	after(r.err)
}
