package fault_test

import (
	"errors"
	"fmt"
	"io"
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
		require.Equal(t, c.kind, fault.KindOf(c.err), name)
		require.True(t, fault.Is(c.err, c.kind), name)
		require.False(t, fault.Is(c.err, fault.TooManyRequests), name)
	}
	require.False(t, fault.Is(nil, fault.Internal), "no error is no fault")
}

func TestTheCauseIsForTheLog(t *testing.T) {
	t.Parallel()
	err := errTaken.WithCause(io.EOF)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "ann@example.com is taken: EOF", err.Error())
	require.Equal(t, "ann@example.com is taken", err.Message)
}

func TestASharedFaultIsNeverChanged(t *testing.T) {
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
