package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/idempotency"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

type order struct {
	SKU string `json:"sku"`
}

type receipt struct {
	Number int `json:"number"`
}

// shop numbers the orders it accepts and writes a row for each.
type shop struct {
	db     sqldb.DB
	mu     sync.Mutex
	placed int
	fail   error
}

func eachDatabase(t *testing.T, test func(t *testing.T, s *shop)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, err := db.Exec(t.Context(), "CREATE TABLE orders (number INTEGER NOT NULL)")
		require.NoError(t, err)
		test(t, &shop{db: db})
	}, idempotency.Migrations)
}

func request(key, sku string) idempotency.Request {
	return idempotency.Request{Caller: "alice", Operation: "POST /orders", Key: key, Body: order{sku}}
}

func (s *shop) order(ctx context.Context, r idempotency.Request) (answer receipt, replayed bool, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		answer, replayed, err = idempotency.Once(ctx, tx, r, noon, func() (receipt, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.placed++
			if _, err := tx.Exec(ctx, "INSERT INTO orders (number) VALUES ($1)", s.placed); err != nil {
				return receipt{}, err
			}
			return receipt{s.placed}, s.fail
		})
		return err
	})
	return answer, replayed, err
}

func (s *shop) orders(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n))
	return n
}

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		for n := range 3 {
			answer, replayed, err := s.order(t.Context(), request("k1", "mug"))
			require.NoError(t, err)
			require.Equal(t, n > 0, replayed)
			require.Equal(t, receipt{1}, answer)
		}
		require.Equal(t, 1, s.orders(t))
	})
}

func TestDifferentRequestsAreNeverReplayed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		bob, refund := request("k1", "mug"), request("k1", "mug")
		bob.Caller, refund.Operation = "bob", "POST /refunds"
		for n, r := range []idempotency.Request{request("k1", "mug"), request("k2", "mug"), bob, refund} {
			answer, replayed, err := s.order(t.Context(), r)
			require.NoError(t, err)
			require.False(t, replayed)
			require.Equal(t, receipt{n + 1}, answer)
		}
	})
}

func TestWithoutAKeyEveryRequestIsNew(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		for range 2 {
			_, replayed, err := s.order(t.Context(), request("", "mug"))
			require.NoError(t, err)
			require.False(t, replayed)
		}
		require.Equal(t, 2, s.orders(t))
	})
}

func TestAKeyUsedForAnotherBodyIsRejected(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		_, _, err := s.order(t.Context(), request("k1", "mug"))
		require.NoError(t, err)
		_, _, err = s.order(t.Context(), request("k1", "cap"))
		requireFault(t, err, "idempotency_key_reused")
		require.Equal(t, 1, s.orders(t))
	})
}

func TestAKeyThatIsNotTextIsRejected(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		for _, key := range []string{strings.Repeat("k", 256), "a\x00b", "a\nb", "\xff", "a\u0085b"} {
			_, _, err := s.order(t.Context(), request(key, "mug"))
			requireFault(t, err, "idempotency_key_invalid")
		}
		_, _, err := s.order(t.Context(), request(strings.Repeat("k", 255), "mug"))
		require.NoError(t, err)
		_, _, err = s.order(t.Context(), request("größe 5 €", "mug"))
		require.NoError(t, err)
	})
}

func requireFault(t *testing.T, err error, code string) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind)
	require.Equal(t, code, f.Code)
}

func TestAfterAFailureTheRequestCanBeRepeated(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		s.fail = errors.New("no mugs")
		_, _, err := s.order(t.Context(), request("k1", "mug"))
		require.ErrorIs(t, err, s.fail)
		s.fail = nil
		_, replayed, err := s.order(t.Context(), request("k1", "mug"))
		require.NoError(t, err)
		require.False(t, replayed)
		require.Equal(t, 1, s.orders(t))
	})
}

func TestOfManyConcurrentRequestsOneDoesTheWork(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		const callers = 16
		var wait sync.WaitGroup
		answers, errs := make([]receipt, callers), make([]error, callers)
		for n := range callers {
			wait.Go(func() { answers[n], _, errs[n] = s.order(t.Context(), request("k1", "mug")) })
		}
		wait.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, 1, s.orders(t))
		for _, answer := range answers {
			require.Equal(t, answers[0], answer)
		}
	})
}

func TestOldKeysAreDeletedInBatches(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		var rows [][]any
		for n := range 1500 {
			rows = append(rows, []any{"alice", "POST /orders", fmt.Sprint("old", n), "", "", sqldb.Micros(noon.Add(-time.Hour))})
		}
		require.NoError(t, sqldb.InsertRows(t.Context(), s.db,
			"INSERT INTO idempotency_keys (caller, operation, idempotency_key, fingerprint, answer, created_at)", rows, "", nil))
		_, _, err := s.order(t.Context(), request("new", "mug"))
		require.NoError(t, err)
		sweeper := idempotency.Sweeper(s.db, func() time.Time { return noon }, time.Minute)
		for _, want := range []int{1000, 500, 0} {
			n, err := sweeper.Step(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		_, replayed, err := s.order(t.Context(), request("new", "mug"))
		require.NoError(t, err)
		require.True(t, replayed)
	})
}

func TestLongOperationsAreDistinguished(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		for n, path := range []string{"a", "b"} {
			r := request("k", "mug")
			r.Operation = "POST /orders/" + strings.Repeat("x", 5000) + path
			for _, again := range []bool{false, true} {
				answer, replayed, err := s.order(t.Context(), r)
				require.NoError(t, err)
				require.Equal(t, again, replayed)
				require.Equal(t, receipt{n + 1}, answer)
			}
		}
	})
}

func TestErasedKeysAreForgotten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *shop) {
		bobs := request("k", "book")
		bobs.Caller = "bob"
		for _, r := range []idempotency.Request{request("k", "book"), bobs} {
			_, _, err := s.order(t.Context(), r)
			require.NoError(t, err)
		}
		require.NoError(t, s.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return idempotency.Erase(ctx, tx, "alice")
		}))
		answer, replayed, err := s.order(t.Context(), request("k", "book"))
		require.NoError(t, err)
		require.False(t, replayed)
		require.Equal(t, receipt{3}, answer)
		_, replayed, err = s.order(t.Context(), bobs)
		require.NoError(t, err)
		require.True(t, replayed, "the keys of others stay")
	})
}
