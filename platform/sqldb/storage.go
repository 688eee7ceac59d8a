package sqldb

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"troupe/platform/fault"
)

// The faults of a database that cannot store anything for a while. The caller has done
// nothing wrong, nothing was changed, and reading still works.
var (
	errStorageFull = &fault.Error{
		Kind: fault.Unavailable, Code: "storage_full", RetryAfter: 10 * time.Second,
		Message: "the service has no space left to store anything, so nothing was changed; reading still works, try again later",
	}
	errStorageReadOnly = &fault.Error{
		Kind: fault.Unavailable, Code: "storage_read_only", RetryAfter: 10 * time.Second,
		Message: "the service's database is read-only now, so nothing was changed; reading still works, try again later",
	}
	errBusy = &fault.Error{
		Kind: fault.Unavailable, Code: "storage_busy", RetryAfter: time.Second,
		Message: "the service's database is busy, so nothing was changed; try again in a moment",
	}
	errStorageFailed = &fault.Error{
		Kind: fault.Unavailable, Code: "storage_failed", RetryAfter: 10 * time.Second,
		Message: "the service cannot write to its disk now, so nothing was changed; try again later",
	}
)

// storageFault returns the fault for an error of either database that means that it
// cannot store anything now, or nil.
func storageFault(err error) *fault.Error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteStorageFault(e.Code())
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case pgDiskFull:
			return errStorageFull
		case pgReadOnly:
			return errStorageReadOnly
		case pgIOError:
			return errStorageFailed
		case pgLockTimeout, pgCanceled:
			return errBusy
		}
	}
	return nil
}

// sqliteStorageFault does the same for a result code of SQLite, whose lower eight bits
// are the primary code (https://www.sqlite.org/rescode.html).
func sqliteStorageFault(code int) *fault.Error {
	switch code {
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE,
		sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP:
		return errStorageFailed
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return errStorageFull
	case sqlite3.SQLITE_READONLY:
		return errStorageReadOnly
	case sqlite3.SQLITE_BUSY:
		return errBusy
	}
	return nil
}
