package sqldb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
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
	errReads    = errors.New("sqldb: a query that writes needs a Tx")
	errAway     = &fault.Error{
		Kind: fault.Unavailable, Code: "data_unavailable", RetryAfter: time.Second,
		Message: "The service can not reach its data now. Try again in a moment.",
	}
	errBadText = fault.New(fault.Invalid, "bad_text", "Text must be valid UTF-8 without null characters.")
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

// checked refuses text that PostgreSQL cannot store, on both databases, and has
// JSON stored as text on both.
func checked(args []any) ([]any, error) {
	copied := false
	for i, arg := range args {
		good := true
		switch v := arg.(type) {
		case nil, int, int64, bool, []byte:
		case string:
			good = goodText(v)
		case json.RawMessage:
			if !copied {
				args, copied = slices.Clone(args), true
			}
			args[i], good = string(v), goodText(string(v))
		default:
			good = goodValue(reflect.ValueOf(arg))
		}
		if !good {
			return nil, errBadText
		}
	}
	return args, nil
}

// goodValue judges a pointer to a string and a type made of string.
func goodValue(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Kind() != reflect.String || goodText(v.String())
}

func goodText(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}
