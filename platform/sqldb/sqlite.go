package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	neturl "net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// sqliteDB writes on one connection and reads on a few others. Readers never wait for
// the writer, and it never waits for them.
type sqliteDB struct {
	writer  *writer
	pool    *sql.DB // all connections
	readers *readers
	closed  chan struct{}
	once    sync.Once
	tempDir string // of a private database, removed by Close; else ""
}

func openSQLite(ctx context.Context, url string, o Options) (DB, error) {
	path, err := sqlitePath(url)
	if err != nil {
		return nil, err
	}
	d := &sqliteDB{closed: make(chan struct{})}
	flush := "FULL"
	if path == "" {
		if d.tempDir, err = os.MkdirTemp("", "sqldb-"); err != nil {
			return nil, fmt.Errorf("create a directory for a private database: %w", err)
		}
		path, flush = filepath.Join(d.tempDir, "private.db"), "OFF"
	}
	if err := d.connect(ctx, path, flush, o); err != nil {
		_ = d.cleanup()
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	return d, nil
}

// sqlitePath returns the file that a URL names, "" for a private database.
func sqlitePath(url string) (string, error) {
	if url == "sqlite::memory:" {
		return "", nil
	}
	path, ok := strings.CutPrefix(url, "sqlite://")
	if !ok || path == "" || strings.ContainsAny(path, "?#") {
		return "", fmt.Errorf("database URL %q names no file: use sqlite:///path/to/file.db, or sqlite::memory: for a private database; write ? as %%3F and # as %%23", url)
	}
	if decoded, err := neturl.PathUnescape(path); err == nil {
		path = decoded
	}
	return path, nil
}

// SQLiteURL returns the URL of a database file, whatever characters its path has.
func SQLiteURL(path string) string {
	return "sqlite://" + strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
}

// sqliteDSN returns the driver's name of the file, with the settings of every
// connection. busy_timeout comes first, so that the switch to WAL already waits for a
// lock of another process.
func sqliteDSN(path, flush string) string {
	file := (&neturl.URL{Path: path}).EscapedPath()
	return "file:" + file + "?" + neturl.Values{"_pragma": {
		"busy_timeout(10000)",
		"journal_mode(WAL)",
		"synchronous(" + flush + ")",
		"foreign_keys(1)",
		"temp_store(MEMORY)",
		"journal_size_limit(67108864)",
		"cache_size(-1000)", // KiB; pages of 4 KiB take 8 KiB from the allocator of modernc.org/sqlite
	}}.Encode()
}

// lockPatience is how long, in milliseconds, a transaction waits for the lock of another
// program: shorter than its callers wait, so that they learn that nothing was done.
const lockPatience = "2000"

// connect opens the file and the connection that writes.
func (d *sqliteDB) connect(ctx context.Context, path, flush string, o Options) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return err
	}
	if err := makePrivate(path, o.Log); err != nil {
		return err
	}
	if d.pool, err = sql.Open("sqlite", sqliteDSN(path, flush)); err != nil {
		return err
	}
	c, err := d.dial(ctx)
	if err != nil {
		return err
	}
	if _, err := c.exec(ctx, "PRAGMA busy_timeout = "+lockPatience); err != nil {
		return err
	}
	d.writer = &writer{conn: c, limit: maxGroup, flushes: true, inMemory: d.tempDir != ""}
	if o.NoGroupCommit {
		d.writer.limit = 1
	}
	d.readers = newReaders(cmp.Or(o.MaxConns, max(4, 2*runtime.NumCPU())))
	return nil
}

// dial opens one more connection.
func (d *sqliteDB) dial(ctx context.Context) (*conn, error) {
	c, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, prepared: map[string]*sql.Stmt{}, yields: runtime.GOMAXPROCS(0) == 1}, nil
}

func (d *sqliteDB) Exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = d.Tx(ctx, func(ctx context.Context, tx Tx) error {
		n, err = tx.Exec(ctx, text, args...)
		return err
	})
	return n, err
}

func (d *sqliteDB) Query(ctx context.Context, text string, args ...any) (Rows, error) {
	if !isSelect(text) {
		return nil, errNeedsTx
	}
	c, err := d.acquireReader(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.query(ctx, text, args...)
	if err != nil {
		d.releaseReader(c)
		return nil, withStatement(text, err)
	}
	return &sqliteRows{Rows: rows, text: text, onClose: func(error) { d.releaseReader(c) }}, nil
}

func (d *sqliteDB) QueryRow(ctx context.Context, text string, args ...any) Row {
	rows, err := d.Query(ctx, text, args...)
	return row{rows, err}
}

func (d *sqliteDB) Run(ctx context.Context, b *Batch) error {
	if b.ReadsOnly() {
		return RunEach(ctx, d, b)
	}
	return d.Tx(ctx, func(ctx context.Context, tx Tx) error { return tx.Run(ctx, b) })
}

func (d *sqliteDB) Tx(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, false, fn)
}

func (d *sqliteDB) TxRelaxed(ctx context.Context, fn func(context.Context, Tx) error) error {
	return d.transact(ctx, true, fn)
}

// transact runs fn as part of a group and then its OnCommit functions.
func (d *sqliteDB) transact(ctx context.Context, relaxed bool, fn func(context.Context, Tx) error) error {
	inside, err := markInTx(ctx)
	if err != nil {
		return err
	}
	t := &sqliteTx{conn: d.writer.conn}
	if err := d.writer.transact(ctx, relaxed, func() error { return t.run(inside, fn) }); err != nil {
		return err
	}
	t.runOnCommit()
	return nil
}

func (d *sqliteDB) Ping(ctx context.Context) error {
	var one int
	return d.QueryRow(ctx, "SELECT 1").Scan(&one)
}

// Close waits until the transactions that run have ended, and refuses those that wait
// in the queue.
func (d *sqliteDB) Close() error {
	var err error
	d.once.Do(func() {
		err = d.writer.close()
		close(d.closed)
		d.closeIdleReaders()
		err = errors.Join(err, d.cleanup())
	})
	return err
}

// cleanup closes the pool and removes a private database.
func (d *sqliteDB) cleanup() error {
	var err error
	if d.pool != nil {
		err = d.pool.Close()
	}
	if d.tempDir != "" {
		err = errors.Join(err, os.RemoveAll(d.tempDir))
	}
	return err
}

// acquireReader waits for a connection to read on, and opens it if it is new. The
// caller must release it.
func (d *sqliteDB) acquireReader(ctx context.Context) (*conn, error) {
	select {
	case <-d.readers.free:
	case <-d.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-d.closed:
		d.readers.push(nil)
		return nil, ErrClosed
	default:
	}
	if c := d.readers.pop(); c != nil {
		return c, nil
	}
	return d.dialReader(ctx)
}

// dialReader opens a connection that cannot write.
func (d *sqliteDB) dialReader(ctx context.Context) (*conn, error) {
	c, err := d.dial(ctx)
	if err != nil {
		d.readers.push(nil)
		return nil, fmt.Errorf("open a connection for reading: %w", err)
	}
	if _, err := c.exec(ctx, "PRAGMA query_only = 1"); err != nil {
		_ = c.close()
		d.readers.push(nil)
		return nil, fmt.Errorf("make a connection read-only: %w", err)
	}
	return c, nil
}

// releaseReader puts a connection back, or closes it if the database is closed.
func (d *sqliteDB) releaseReader(c *conn) {
	d.readers.push(c)
	select {
	case <-d.closed:
		d.closeIdleReaders()
	default:
	}
}

// closeIdleReaders closes the idle readers. The others are closed when released.
func (d *sqliteDB) closeIdleReaders() {
	for c := d.readers.pop(); c != nil; c = d.readers.pop() {
		_ = c.close()
	}
}
