package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	neturl "net/url"
	"os"
	"slices"
	"time"

	"modernc.org/sqlite"
)

const (
	// copyFreeze is how long the writers of all files are kept waiting at most. It is
	// shorter than lockPatience, so that none of them gives up.
	copyFreeze = 500 * time.Millisecond
	// copyPatience is how long a copy waits for a moment in which no file is being changed.
	copyPatience = 2 * time.Minute
	// copyPages is how many pages are copied between two looks at the context.
	copyPages = 2000
)

// CopySQLiteFiles copies database files, from path to path, while other programs may write
// to them. All copies are of one moment, in which no file was being changed: what they hold
// together is what a power cut would have left. Writers wait for milliseconds, until that
// moment is fixed, and not for the copying. copied is called now and then with the number of
// bytes that were copied, and of all; nil: nothing is called.
func CopySQLiteFiles(ctx context.Context, paths map[string]string, copied func(done, total int64)) (err error) {
	var all []*copiedFile
	defer func() {
		for _, f := range all {
			err = errors.Join(err, f.close())
		}
	}()
	for _, from := range slices.Sorted(maps.Keys(paths)) {
		f, err := openCopied(ctx, from, paths[from])
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		all = append(all, f)
	}
	if err := fixMoment(ctx, all); err != nil {
		return err
	}
	var before, total int64
	for _, f := range all {
		total += f.size
	}
	for _, f := range all {
		err := f.copy(ctx, func(done int64) {
			if copied != nil {
				copied(before+done, total)
			}
		})
		if err != nil {
			return fmt.Errorf("copy %s: %w", f.from, err)
		}
		before += f.size
	}
	return nil
}

// copiedFile is a file with a connection that keeps writers out and one that reads.
type copiedFile struct {
	from, to     string
	pool         *sql.DB
	lock, reader *sql.Conn
	size         int64 // bytes that the reader sees
}

func openCopied(ctx context.Context, from, to string) (*copiedFile, error) {
	if _, err := os.Stat(from); err != nil {
		return nil, err
	}
	f := &copiedFile{from: from, to: to}
	var err error
	if f.pool, err = sql.Open("sqlite", fileURI(from)+"?mode=rw&_pragma=busy_timeout(0)"); err != nil {
		return nil, err
	}
	if f.lock, err = f.pool.Conn(ctx); err == nil {
		f.reader, err = f.pool.Conn(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.pool.Close())
	}
	return f, nil
}

func fileURI(path string) string { return "file:" + (&neturl.URL{Path: path}).EscapedPath() }

// fixMoment begins a read transaction on every file while no writer is at work on any.
// Writers may wait for each other's files, so it never waits for one while it keeps the
// others for long: it lets go of all and tries again.
func fixMoment(ctx context.Context, all []*copiedFile) error {
	ctx, cancel := context.WithTimeout(ctx, copyPatience)
	defer cancel()
	for {
		err := tryMoment(ctx, all)
		if err == nil || !isLocked(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the databases are never all free at one moment; try again under less load: %w", err)
		case <-time.After(time.Duration(1+rand.IntN(50)) * time.Millisecond):
		}
	}
}

func tryMoment(ctx context.Context, all []*copiedFile) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyFreeze)
	defer cancel()
	var locked []*copiedFile
	defer func() {
		for _, f := range locked {
			if _, failed := f.lock.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); failed != nil {
				err = errors.Join(err, failed)
			}
		}
	}()
	for _, f := range all {
		if err := f.keepWritersOut(ctx); err != nil {
			return err
		}
		locked = append(locked, f)
	}
	for i, f := range all {
		if err := f.beginReading(context.WithoutCancel(ctx)); err != nil {
			for _, begun := range all[:i+1] {
				_, _ = begun.reader.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // the last one may not have begun
			}
			return err
		}
	}
	return nil
}

// keepWritersOut takes the lock of writers as soon as it is free.
func (f *copiedFile) keepWritersOut(ctx context.Context) error {
	for {
		_, err := f.lock.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE")
		if err == nil || !isLocked(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// beginReading fixes what the reader sees until its transaction ends.
func (f *copiedFile) beginReading(ctx context.Context) error {
	_, err := f.reader.ExecContext(ctx, "BEGIN")
	if err == nil {
		err = f.reader.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size(), (SELECT count(*) FROM sqlite_schema)").Scan(&f.size)
	}
	return err
}

// copy copies what the reader sees, by SQLite's online backup, which stays within a
// transaction that has begun. copied is called with the number of bytes.
func (f *copiedFile) copy(ctx context.Context, copied func(done int64)) error {
	file, err := os.OpenFile(f.to, os.O_RDWR|os.O_CREATE|os.O_EXCL, privateMode)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	err = f.reader.Raw(func(driver any) error {
		source, ok := driver.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the driver %T has no backup", driver)
		}
		backup, err := source.NewBackup(fileURI(f.to))
		if err != nil {
			return err
		}
		more := true
		for more && err == nil && ctx.Err() == nil {
			more, err = backup.Step(copyPages)
			if pages := int64(backup.PageCount()); pages > 0 {
				copied(f.size / pages * (pages - int64(backup.Remaining())))
			}
		}
		return errors.Join(err, ctx.Err(), backup.Finish())
	})
	if err != nil {
		return err
	}
	return CheckSQLiteFile(ctx, f.to)
}

func (f *copiedFile) close() error {
	return errors.Join(f.lock.Close(), f.reader.Close(), f.pool.Close())
}

// CheckSQLiteFile returns an error if a database file is damaged that no process writes to.
func CheckSQLiteFile(ctx context.Context, path string) error {
	pool, err := sql.Open("sqlite", fileURI(path)+"?mode=rw")
	if err != nil {
		return err
	}
	var verdict string
	err = pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%s is damaged: %s", path, verdict)
	}
	return errors.Join(err, pool.Close())
}
