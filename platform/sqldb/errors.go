package sqldb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"troupe/platform/fault"
)

// ErrClosed is what everything returns after Close.
var ErrClosed = errors.New("sqldb: database is closed")

var (
	errRowsOpen = errors.New("sqldb: the rows of the last query are still open: close them first")
	errNested   = errors.New("sqldb: a transaction inside a transaction: use the Tx at hand")
	errOver     = errors.New("sqldb: the transaction is over")
	errBadText  = fault.New(fault.Invalid, "bad_text", "Text must be valid UTF-8 without null characters.")
)

// IsDuplicate says whether err is a violated primary key or unique index.
func IsDuplicate(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == pgUniqueViolation
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}

// failed says which statement err comes from. It leaves alone what is no
// statement's fault.
func failed(sql string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	const enough = 60
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > enough {
		sql = strings.ToValidUTF8(sql[:enough], "") + "..."
	}
	return fmt.Errorf("%s: %w", sql, err)
}

// checkArgs refuses text that PostgreSQL cannot store, on both databases, and
// has JSON stored as text on both.
func checkArgs(args []any) error {
	for i, arg := range args {
		switch v := arg.(type) {
		case nil, int, int64, bool:
		case string:
			if !goodText(v) {
				return errBadText
			}
		case json.RawMessage:
			args[i] = string(v)
			if !goodText(string(v)) {
				return errBadText
			}
		default:
			if !goodValue(reflect.ValueOf(arg)) {
				return errBadText
			}
		}
	}
	return nil
}

func goodValue(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Kind() != reflect.String || goodText(v.String())
}

func goodText(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}
