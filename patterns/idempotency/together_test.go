package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/idempotency"
	"troupe/platform/sqldb"
)

var errNoMugs = errors.New("no mugs")

// orderTogether orders for several requests in one transaction; those for mugs are refused
// while noMugs. It numbers each order that is computed, and writes a row for each new one.
func (s *shop) orderTogether(ctx context.Context, noMugs bool, requests ...idempotency.Request) (answers []idempotency.Answer[receipt], err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		answers, err = idempotency.OnceTogether(ctx, tx, requests, noon, func(i int) (receipt, error) {
			if noMugs && requests[i].Body == (order{"mug"}) {
				return receipt{}, errNoMugs
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.placed++
			return receipt{s.placed}, nil
		})
		if err != nil {
			return err
		}
		var rows [][]any
		for _, a := range answers {
			if a.New {
				rows = append(rows, []any{a.Value.Number})
			}
		}
		return sqldb.InsertRows(ctx, tx, "INSERT INTO orders (number)", rows, "", nil)
	})
	return answers, err
}

func TestRequestsOfOneTransactionAreAnsweredEach(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		first, _, err := s.order(t.Context(), request("k1", "mug"))
		require.NoError(t, err)

		answers, err := s.orderTogether(t.Context(), false, request("k1", "mug"), request("k2", "mug"), request("", "mug"), request("k1", "cap"),
			request(strings.Repeat("k", 256), "mug"))
		require.NoError(t, err)
		require.Equal(t, idempotency.Answer[receipt]{Value: first}, answers[0], "repeated")
		require.True(t, answers[1].New)
		require.True(t, answers[2].New, "it has no key")
		requireFault(t, answers[3].Err, "idempotency_key_reused")
		requireFault(t, answers[4].Err, "idempotency_key_invalid")
		require.Equal(t, 3, s.orders(t))

		second, replayed, err := s.order(t.Context(), request("k2", "mug"))
		require.NoError(t, err)
		require.True(t, replayed)
		require.Equal(t, answers[1].Value, second)
	})
}

func TestARefusalEndsNoOtherRequestOfItsTransaction(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		answers, err := s.orderTogether(t.Context(), false, request("k1", "mug"))
		require.NoError(t, err)
		first := answers[0].Value

		answers, err = s.orderTogether(t.Context(), true, request("k1", "mug"), request("k2", "mug"), request("k3", "cap"))
		require.NoError(t, err)
		require.Equal(t, idempotency.Answer[receipt]{Value: first}, answers[0], "it was accepted before there were no mugs")
		require.ErrorIs(t, answers[1].Err, errNoMugs)
		require.True(t, answers[2].New)

		answers, err = s.orderTogether(t.Context(), false, request("k2", "mug"), request("k3", "cap"))
		require.NoError(t, err)
		require.True(t, answers[0].New, "what was refused can be repeated")
		require.False(t, answers[1].New)
		require.Equal(t, 3, s.orders(t))
	})
}

// Two replicas get the same requests at the same time, in other orders.
func TestTransactionsWithTheSameKeysDoNotDeadlock(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		const keys, replicas = 24, 6
		var wait sync.WaitGroup
		errs := make([]error, replicas)
		for n := range replicas {
			wait.Go(func() {
				requests := make([]idempotency.Request, keys)
				for k := range keys {
					requests[k] = request(fmt.Sprint("k", (k*5+n*7)%keys), "cap")
				}
				_, errs[n] = s.orderTogether(t.Context(), false, requests...)
			})
		}
		wait.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, keys, s.orders(t))
	})
}
