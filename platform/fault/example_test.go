package fault_test

import (
	"errors"
	"fmt"
	"io"

	"troupe/platform/fault"
)

func ExampleNew() {
	err := fault.New(fault.Conflict, "out_of_stock", "only %d are left; order fewer", 3)
	fmt.Println(err.Code)
	fmt.Println(err.Message)
	// Output:
	// out_of_stock
	// only 3 are left; order fewer
}

// The caller sees the message and the fields; the cause is for the log.
func ExampleError() {
	errTaken := fault.New(fault.Conflict, "email_taken", "this address has an account; sign in with it")
	err := errTaken.
		WithField("body.email", "taken").
		WithCause(errors.New("unique index accounts_email"))
	fmt.Println("caller:", err.Message, err.Fields)
	fmt.Println("log:   ", err)
	fmt.Println("shared:", errTaken.Fields, errTaken.Cause) // unchanged
	// Output:
	// caller: this address has an account; sign in with it [{body.email taken}]
	// log:    this address has an account; sign in with it: unique index accounts_email
	// shared: [] <nil>
}

func ExampleMissing() {
	err := fault.Missing("parked event", "0198c0de", "it may have been handled by now")
	fmt.Println(err.Code)
	fmt.Println(err.Message)
	// Output:
	// parked_event_not_found
	// there is no parked event 0198c0de; it may have been handled by now
}

// The kind is found in a wrapped error too. Any other error is Internal.
func ExampleKindOf() {
	err := fmt.Errorf("cancel: %w", fault.Missing("order", "17", ""))
	fmt.Println(fault.KindOf(err) == fault.NotFound)
	fmt.Println(fault.KindOf(io.EOF) == fault.Internal)
	// Output:
	// true
	// true
}
