package sqldb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"runtime"
	"time"
)

// maxStatements bounds the prepared statements of one connection.
const maxStatements = 256

// conn is one SQLite connection with its prepared statements. Only one goroutine at a
// time may use it.
type conn struct {
	*sql.Conn
	prepared map[string]*sql.Stmt // by the text of the statement
	yields   bool                 // to other goroutines, because they share one core
	yielded  time.Time            // when it last did
}

// timeSlice is how long statements of one connection may run on the only core before other
// goroutines run. SQLite runs in this process: a long transaction would otherwise keep the
// core for the 10 ms that Go's scheduler allows, while others wait who need a few
// microseconds to answer a request. With several cores it would only make groups smaller.
const timeSlice = time.Millisecond

// yield lets goroutines that are ready run, once in a timeSlice.
func (c *conn) yield() {
	if !c.yields {
		return
	}
	if now := time.Now(); now.Sub(c.yielded) >= timeSlice {
		runtime.Gosched()
		c.yielded = time.Now()
	}
}

// prepare returns the prepared statement, from the cache if it is there. It may yield first.
func (c *conn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	c.yield()
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
