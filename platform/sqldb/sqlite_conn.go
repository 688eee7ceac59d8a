package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 256

// conn is one SQLite connection with its prepared statements. Only one goroutine at a
// time may use it.
type conn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt // by the text of the statement
}

// prepare returns the prepared statement, from the cache if it is there.
func (c *conn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := c.prepared[text]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, positional(text))
	if err != nil {
		return nil, err
	}
	if len(c.prepared) >= maxStatements {
		c.evictOne()
	}
	c.prepared[text] = s
	return s, nil
}

// evictOne closes any one prepared statement. Which one hardly matters, because a
// program has far fewer statements than the cache has room for.
func (c *conn) evictOne() {
	for text, s := range c.prepared {
		_ = s.Close()
		delete(c.prepared, text)
		return
	}
}

// exec runs a statement and returns the number of rows it affected.
func (c *conn) exec(ctx context.Context, text string, args ...any) (int64, error) {
	args, err := checkArgs(args)
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

// query runs a statement that returns rows.
func (c *conn) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	args, err := checkArgs(args)
	if err != nil {
		return nil, err
	}
	s, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// close closes the prepared statements and the connection.
func (c *conn) close() error {
	for _, s := range c.prepared {
		_ = s.Close() // they are freed with the connection anyway
	}
	return c.Conn.Close()
}

// sqliteRows are Rows that call onClose once, when they are read to the end or closed.
type sqliteRows struct {
	*sql.Rows
	text    string // of the statement, for errors
	err     error
	onClose func(error) // nil once called
}

func (r *sqliteRows) Next() bool {
	if r.onClose == nil {
		return false
	}
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan also scans text into a json.RawMessage, which database/sql by itself does not.
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
	if r.onClose == nil {
		return
	}
	onClose := r.onClose
	r.onClose = nil
	if err := errors.Join(r.Rows.Err(), r.Rows.Close()); err != nil {
		r.err = withStatement(r.text, err)
	}
	onClose(r.err)
}
