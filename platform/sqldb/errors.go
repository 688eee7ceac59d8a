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

	"troupe/platform/fault"
)

// ErrClosed is the error of every call after Close.
var ErrClosed = errors.New("sqldb: database is closed")

var (
	errRowsOpen    = errors.New("sqldb: the rows of the last query are still open: close them first")
	errNested      = errors.New("sqldb: a transaction inside a transaction: use the Tx you have")
	errTxEnded     = errors.New("sqldb: the transaction has ended: use its Tx only inside the function given to DB.Tx")
	errNeedsTx     = errors.New("sqldb: a query that writes needs a Tx: run it inside DB.Tx")
	errUnavailable = &fault.Error{
		Kind: fault.Unavailable, Code: "data_unavailable", RetryAfter: time.Second,
		Message: "the service cannot reach its database now; try again in a moment",
	}
	errBadText = fault.New(fault.Invalid, "bad_text", "text must be valid UTF-8 without null characters")
)

// withStatement adds the beginning of the statement to its error, and makes it a fault if
// the database can store nothing now. It leaves a fault and the error of a context as
// they are: the statement did not cause those.
func withStatement(sql string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	const shown = 60
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > shown {
		sql = strings.ToValidUTF8(sql[:shown], "") + "..."
	}
	wrapped := fmt.Errorf("%s: %w", sql, err)
	if f := storageFault(err); f != nil {
		return f.WithCause(wrapped)
	}
	return wrapped
}

// checkArgs returns args as both databases can store them: JSON becomes text. It
// refuses, on both, text that PostgreSQL cannot store.
func checkArgs(args []any) ([]any, error) {
	copied := false
	for i, arg := range args {
		valid := true
		switch v := arg.(type) {
		case nil, int, int64, bool, []byte:
		case string:
			valid = isValidText(v)
		case json.RawMessage:
			if !copied {
				args, copied = slices.Clone(args), true
			}
			args[i], valid = string(v), isValidText(string(v))
		default:
			valid = isValidValue(reflect.ValueOf(arg))
		}
		if !valid {
			return nil, errBadText
		}
	}
	return args, nil
}

// isValidValue is isValidText for pointers to strings and for types whose underlying
// type is string. It reports true for every other type.
func isValidValue(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Kind() != reflect.String || isValidText(v.String())
}

// isValidText reports whether PostgreSQL can store s.
func isValidText(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}
