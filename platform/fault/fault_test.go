package fault_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

var errTaken = fault.New(fault.Conflict, "email_taken", "%s is taken", "ann@example.com")

func TestTheKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a fault":                 {errTaken, fault.Conflict},
		"a wrapped fault":         {fmt.Errorf("register: %w", errTaken), fault.Conflict},
		"a fault among others":    {errors.Join(io.EOF, errTaken), fault.Conflict},
		"a fault with a cause":    {errTaken.WithCause(io.EOF), fault.Conflict},
		"a fault caused by one":   {fault.New(fault.Invalid, "", "bad").WithCause(errTaken), fault.Invalid},
		"something else entirely": {io.EOF, fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.kind, fault.KindOf(c.err))
			require.True(t, fault.Is(c.err, c.kind))
			require.False(t, fault.Is(c.err, fault.TooManyRequests))
		})
	}
	require.False(t, fault.Is(nil, fault.Internal), "nil is not a fault")
}

func TestTheCauseIsShownOnlyInTheLog(t *testing.T) {
	t.Parallel()
	err := errTaken.WithCause(io.EOF)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "ann@example.com is taken: EOF", err.Error())
	require.Equal(t, "ann@example.com is taken", err.Message)
}

func TestASharedFaultIsNotModified(t *testing.T) {
	t.Parallel()
	first := errTaken.WithField("body.email", "taken")
	second := first.WithField("body.name", "too long")
	third := first.WithField("body.age", "too high")

	require.Empty(t, errTaken.Fields)
	require.NoError(t, errTaken.Cause)
	require.Equal(t, []fault.Field{{Location: "body.email", Message: "taken"}}, first.Fields)
	require.Equal(t, "body.name", second.Fields[1].Location)
	require.Equal(t, "body.age", third.Fields[1].Location)
}

func TestMissingNamesWhatIsMissingAndWhatToDo(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 65)
	for name, c := range map[string]struct {
		what, id, hint string
		code, message  string
	}{
		"product":      {"product", "tea", "GET /products lists them", "product_not_found", "there is no product tea; GET /products lists them"},
		"order":        {"order", "o1", "GET /orders lists yours", "order_not_found", "there is no order o1; GET /orders lists yours"},
		"payment":      {"payment", "p1", "GET /payments lists yours", "payment_not_found", "there is no payment p1; GET /payments lists yours"},
		"user":         {"user", "u1", "", "user_not_found", "there is no user u1"},
		"delivery":     {"delivery", "d1", "GET /deliveries lists them", "delivery_not_found", "there is no delivery d1; GET /deliveries lists them"},
		"notification": {"notification", "n1", "", "notification_not_found", "there is no notification n1"},
		"mail":         {"mail", "m1", "it may have been erased", "mail_not_found", "there is no mail m1; it may have been erased"},
		"two words":    {"parked event", "e1", "", "parked_event_not_found", "there is no parked event e1"},
		"without id":   {"user", "", "GET /users lists them", "user_not_found", "there is no such user; GET /users lists them"},
		"no real id":   {"order", long, "", "order_not_found", "there is no such order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fault.Missing(c.what, c.id, c.hint)
			require.Equal(t, fault.NotFound, err.Kind)
			require.Equal(t, c.code, err.Code)
			require.Equal(t, c.message, err.Message)
			require.True(t, fault.Is(err.WithCause(io.EOF), fault.NotFound))
		})
	}
}
