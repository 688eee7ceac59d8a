package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

type noInput struct{}

func TestWorkEndsWhenItsCallerNoLongerWaits(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	httpapi.Get(s.api, "/slow", func(ctx context.Context, _ *noInput) (*oneOrder, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("count the orders: %w", ctx.Err())
	}, httpapi.Public())
	w := s.send(t, "GET /slow", "", httpapi.DeadlineHeader, "5")
	require.Equal(t, http.StatusGatewayTimeout, w.Code)
	require.Equal(t, "deadline_exceeded", requireProblem(t, w).Code)
	require.Contains(t, s.log.String(), "count the orders")
}

func TestTheCallersDeadlineLimitsARequest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	httpapi.Get(s.api, "/time-left", func(ctx context.Context, _ *noInput) (*oneOrder, error) {
		end, limited := ctx.Deadline()
		if !limited {
			return &oneOrder{order{ID: "none"}}, nil
		}
		return &oneOrder{order{ID: time.Until(end).Round(10 * time.Second).String()}}, nil
	}, httpapi.Public())
	for value, want := range map[string]string{
		"30000": "30s", "0": "none", "-1": "none", "1.5": "none", "soon": "none", "": "none", "99999999999999999999": "none",
		"3600001": "none", // more than an hour
	} {
		require.Contains(t, s.send(t, "GET /time-left", "", httpapi.DeadlineHeader, value).Body.String(), `"`+want+`"`, value)
	}
	require.Contains(t, s.send(t, "GET /time-left", "").Body.String(), `"none"`)
	require.Contains(t, s.send(t, "GET /time-left", "", httpapi.DeadlineHeader, "9", httpapi.DeadlineHeader, "9").Body.String(), `"none"`)
}

func TestAnErrorAfterTheDeadlineKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	httpapi.Get(s.api, "/missing", func(ctx context.Context, _ *noInput) (*oneOrder, error) {
		<-ctx.Done()
		return nil, fault.New(fault.NotFound, "order_not_found", "no such order")
	}, httpapi.Public())
	require.Equal(t, http.StatusNotFound, s.send(t, "GET /missing", "", httpapi.DeadlineHeader, "5").Code)
}
