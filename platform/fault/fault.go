// Package fault is the one error type that travels from a business rule to the
// caller: a kind that decides the HTTP status, a sentence for the caller that ends
// in what to do, and a cause that only the log shows.
//
// A rule returns a fault, every layer in between passes it on (wrapping it with %w
// is fine), and the edge turns it into a response:
//
//	if stock < quantity {
//		return fault.New(fault.Conflict, "out_of_stock", "only %d are left; order fewer", stock)
//	}
//
// An error that is no *Error is a defect or an outage. It is logged in full, and
// the caller learns only that something went wrong.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is what went wrong from the caller's point of view. The table from kind to
// HTTP status is in platform/httpapi.
type Kind uint8

// The kinds. Every error that is no *Error counts as Internal.
const (
	Internal           Kind = iota // a failure of the service; the caller learns only that it happened
	Malformed                      // cannot be read at all: broken JSON, wrong form
	Invalid                        // readable, but breaks a rule
	Unauthenticated                // no valid proof of who is calling
	Forbidden                      // known caller, not allowed
	NotFound                       // does not exist, or the caller may not know that it does
	Conflict                       // clashes with the present state
	TooLarge                       // body over the limit
	Unsupported                    // content type that is not accepted
	TooManyRequests                // over a rate limit; see RetryAfter
	Unavailable                    // temporarily unable to answer; see RetryAfter
	TooSlow                        // the body did not arrive in time
	PreconditionFailed             // a condition of the request does not hold, such as If-Match
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
	Message    string // a sentence for the caller: lower case, and ends in what to do
	Fields     []Field
	RetryAfter time.Duration
	Cause      error // for the log only
}

// Error returns the message and the cause, for the log. The caller of the API is
// shown Message alone.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause, so that errors.Is and errors.As find it.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of the given kind with a code for programs and a sentence
// for people.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// longestID is the length in bytes up to which Missing repeats an id.
const longestID = 64

// Missing returns the error for a thing that does not exist, or that the caller may
// not see: both look the same, so that ids cannot be probed. Its kind is NotFound.
//
// what is the thing in the user's words ("order", "parked event"), from which the
// code is made ("order_not_found", "parked_event_not_found"). id is the id that was
// asked for; an empty one, and one too long to be an id, is left out of the
// sentence. hint is what to do, and may be empty.
//
//	Missing("order", id, "GET /orders lists yours")
//	// there is no order 0198c0de; GET /orders lists yours
func Missing(what, id, hint string) *Error {
	message := "there is no such " + what
	if id != "" && len(id) <= longestID {
		message = "there is no " + what + " " + id
	}
	if hint != "" {
		message += "; " + hint
	}
	return &Error{Kind: NotFound, Code: strings.ReplaceAll(what, " ", "_") + "_not_found", Message: message}
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

// KindOf returns the kind of the first *Error in err's chain, Internal if there is
// none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of the first *Error in err's chain, "" if there is none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
