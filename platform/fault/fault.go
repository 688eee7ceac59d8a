// Package fault is the one error type that travels from a rule to the caller:
// a kind that decides the HTTP status, a sentence for the caller that says what
// to do, and a cause that only the log sees.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what went wrong from the caller's point of view. The table from
// kind to HTTP status is in platform/httpapi.
type Kind uint8

// The kinds. Every error that is no *Error counts as Internal.
const (
	Internal        Kind = iota // our fault; the caller learns nothing but that
	Malformed                   // cannot be read at all: broken JSON, wrong form
	Invalid                     // readable, but breaks a rule
	Unauthenticated             // no valid proof of who is calling
	Forbidden                   // known caller, not allowed
	NotFound                    // no such thing, or not the caller's
	Conflict                    // clashes with the present state
	TooLarge                    // body over the limit
	Unsupported                 // content type that is not taken
	TooManyRequests             // throttled; see RetryAfter
	Unavailable                 // cannot answer now; see RetryAfter
)

// Field points at the part of the input that is wrong.
type Field struct {
	Location string // for example "body.items[0].quantity"
	Message  string
}

// Error is a failure that may be shown to the caller.
type Error struct {
	Kind       Kind
	Code       string // stable, for programs: "sku_unknown"; may be empty
	Message    string // a sentence for the caller
	Fields     []Field
	RetryAfter time.Duration
	Cause      error // for the log only
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of the given kind with a code for programs and a sentence for people.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Missing returns the error of a thing that does not exist, or that the caller may
// not see. what is the thing in the user's words ("order", "parked event"); its code
// is "order_not_found". hint, a sentence that says what to do, may be empty.
func Missing(what, id, hint string) *Error {
	e := New(NotFound, strings.ReplaceAll(what, " ", "_")+"_not_found", "there is no %s %s", what, id)
	if hint != "" {
		e.Message += ": " + hint
	}
	return e
}

// WithCause returns a copy of e with the cause set.
func (e *Error) WithCause(cause error) *Error {
	with := *e
	with.Cause = cause
	return &with
}

// WithField returns a copy of e that also points at a field of the input.
func (e *Error) WithField(location, message string) *Error {
	with := *e
	with.Fields = append(append([]Field(nil), e.Fields...), Field{location, message})
	return &with
}

// KindOf gives the kind of the first *Error in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
