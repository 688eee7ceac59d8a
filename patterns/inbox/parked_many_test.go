package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/patterns/retry"
	"troupe/platform/sqldb"
)

// park has n orders fail for good with an error that names each.
func (h *harness) park(t *testing.T, n int, cause string) (ids []string) {
	t.Helper()
	for k := range n {
		name := fmt.Sprintf("%s-%d", cause, k)
		h.failing[name] = retry.Permanent(fmt.Errorf("%s: order %s at 10.0.0.%d:5432", cause, uuid.NewString(), k))
		batch := h.deliveries(t, orderPlaced{name})
		h.consume(t, batch...)
		ids = append(ids, batch[0].ID)
	}
	return ids
}

func (h *harness) groups(t *testing.T) (lines []string, groups []inbox.ParkedGroup) {
	t.Helper()
	groups, err := h.ParkedGroups(t.Context())
	require.NoError(t, err)
	for _, g := range groups {
		lines = append(lines, fmt.Sprintf("%d %s %s returned %d: %s", g.Count, g.Type, g.State, g.Returned, g.Cause))
	}
	return lines, groups
}

func (h *harness) replayMany(t *testing.T, s inbox.Selection) int {
	t.Helper()
	n := 0
	for after := ""; ; {
		changed, err := inTx(t, h, func(ctx context.Context, tx sqldb.Tx) (inbox.Changed, error) {
			return h.ReplayMany(ctx, tx, s, after)
		})
		require.NoError(t, err)
		n += len(changed.Events)
		if after = changed.Next; after == "" {
			return n
		}
	}
}

func inTx[T any](t *testing.T, h *harness, f func(context.Context, sqldb.Tx) (T, error)) (result T, err error) {
	t.Helper()
	err = h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
		result, err = f(ctx, tx)
		return err
	})
	return result, err
}

func TestParkedEventsAreGroupedByCause(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.park(t, 3, "the price is unknown")
		h.park(t, 2, "the customer is unknown")
		lines, groups := h.groups(t)
		require.Equal(t, []string{
			"3 order.placed.v1 dead returned 0: handle order.placed.v1: the price is unknown: order ID at ADDRESS",
			"2 order.placed.v1 dead returned 0: handle order.placed.v1: the customer is unknown: order ID at ADDRESS",
		}, lines)
		some, err := h.ParkedEventsIn(t.Context(), inbox.Selection{Group: groups[1].ID}, 10)
		require.NoError(t, err)
		require.Len(t, some, 2)
		require.Contains(t, some[0].CorrelationID, "the customer is unknown")
		require.Empty(t, some[0].Body)
		one, err := h.ParkedEventsIn(t.Context(), inbox.Selection{Group: groups[0].ID}, 1)
		require.NoError(t, err)
		require.Len(t, one, 1)
	})
}

func TestAGroupIsReplayedOnceEvenByADoubleClick(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.park(t, 3, "the price is unknown")
		h.park(t, 1, "the customer is unknown")
		_, groups := h.groups(t)
		selection := inbox.Selection{Group: groups[0].ID}
		n, _, err := h.Count(t.Context(), selection, false, false)
		require.NoError(t, err)
		require.Equal(t, 3, n, "the dry run")
		require.Equal(t, 3, h.replayMany(t, selection))
		require.Equal(t, 0, h.replayMany(t, selection))
		require.Equal(t, 0, h.replayMany(t, inbox.Selection{Type: "order.placed.v1", State: "retry"}), "they are due already")
		lines, _ := h.groups(t)
		require.Contains(t, lines[0], "3 order.placed.v1 retry returned 0", "they have not failed again yet")
		h.step(t, 3)
		lines, _ = h.groups(t)
		require.Contains(t, lines[0], "3 order.placed.v1 dead returned 3", "they came back")
		require.Contains(t, lines[1], "1 order.placed.v1 dead returned 0")

		clear(h.failing)
		require.Equal(t, 4, h.replayMany(t, inbox.Selection{State: "dead"}))
		h.step(t, 4)
		require.Empty(t, h.parked(t))
	})
}

func TestMoreDeadLettersThanABatchAreReplayed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		ids := h.park(t, 2, "the price is unknown")
		_, err := h.db.Exec(t.Context(), `INSERT INTO parked (event_id, consumer, type, body, state, attempts, last_error, first_failed, next_try)
			SELECT event_id || '-' || n, consumer, type, body, state, attempts, last_error, first_failed, next_try
			FROM parked, (`+numbers(600)+`) AS numbers`)
		require.NoError(t, err)
		changed, err := inTx(t, h, func(ctx context.Context, tx sqldb.Tx) (inbox.Changed, error) {
			return h.ReplayMany(ctx, tx, inbox.Selection{State: "dead"}, "")
		})
		require.NoError(t, err)
		require.Len(t, changed.Events, 500, "one transaction is bounded")
		require.NotEmpty(t, changed.Next)
		require.Equal(t, 702, h.replayMany(t, inbox.Selection{State: "dead"}))
		require.Zero(t, h.replayMany(t, inbox.Selection{IDs: append(ids, "unknown", "\x00")}), "they are due already")
	})
}

// numbers returns a query for the numbers from 1 to n.
func numbers(n int) string {
	return fmt.Sprintf("WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < %d) SELECT n FROM count", n)
}

func TestADiscardedEventIsNeverHandled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = retry.Permanent(errInvalid)
		batch := h.deliveries(t, orderPlaced{"a"})
		h.consume(t, batch...)
		clear(h.failing)
		n, kept, err := h.Count(t.Context(), inbox.Selection{IDs: []string{batch[0].ID}}, true, false)
		require.NoError(t, err)
		require.Equal(t, []int{1, 0}, []int{n, kept})
		for _, want := range []int{1, 0} {
			changed, err := inTx(t, h, func(ctx context.Context, tx sqldb.Tx) (inbox.Changed, error) {
				return h.DiscardMany(ctx, tx, inbox.Selection{IDs: []string{batch[0].ID}}, "", false)
			})
			require.NoError(t, err)
			require.Len(t, changed.Events, want)
		}
		require.Empty(t, h.parked(t))
		h.consume(t, batch...) // the bus delivers it again
		h.requireStored(t)
	})
}

func TestACompensationIsDiscardedOnlyOnPurpose(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errInvalid
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		_, groups := h.groups(t)
		require.True(t, groups[0].Compensation)
		for _, onPurpose := range []bool{false, true} {
			changed, err := inTx(t, h, func(ctx context.Context, tx sqldb.Tx) (inbox.Changed, error) {
				return h.DiscardMany(ctx, tx, inbox.Selection{Group: groups[0].ID}, "", onPurpose)
			})
			require.NoError(t, err)
			require.Equal(t, onPurpose, len(changed.Events) == 1)
			require.Equal(t, onPurpose, changed.Kept == 0)
		}
		require.Empty(t, h.parked(t))
	}, inbox.NeverGiveUp())
}

func TestARetryThatWaitsIsDueAtOnceAfterAReplay(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["a"] = errors.New("dial tcp 10.0.0.7:25: connection refused")
		h.consume(t, h.deliveries(t, orderPlaced{"a"})...)
		clear(h.failing)
		h.step(t, 0)
		_, groups := h.groups(t)
		require.Equal(t, "retry", groups[0].State)
		h.now = h.now.Add(time.Millisecond)
		require.Equal(t, 1, h.replayMany(t, inbox.Selection{Group: groups[0].ID}))
		h.step(t, 1)
		h.requireStored(t, "a")
	})
}

func TestAnEventWithoutAReadableBodyIsListed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.consume(t, bus.Delivery{Message: bus.Message{ID: "m1", Type: "order.placed.v1", Body: []byte("{")}})
		_, groups := h.groups(t)
		some, err := h.ParkedEventsIn(t.Context(), inbox.Selection{Group: groups[0].ID}, 5)
		require.NoError(t, err)
		require.Equal(t, "m1", some[0].EventID)
		require.Empty(t, some[0].CorrelationID)
	})
}

func TestErrorsOfOneCauseAreEqual(t *testing.T) {
	t.Parallel()
	for want, texts := range map[string][]string{
		"dial tcp ADDRESS: connection refused":     {"dial tcp 127.0.0.1:8005: connection refused", "dial tcp [::1]:99: connection refused"},
		"order ID has N lines":                     {"order 0190a1b2-0000-7000-8000-00000000dead has 3 lines", "order 0190A1B2-0000-7000-8000-00000000beef has 17 lines"},
		"mail to ADDRESS failed":                   {"mail to ada@example.com failed", "mail to grace.h+x@mail.example.org failed\nwith more"},
		"panic: runtime error: index out of range": {"panic: runtime error: index out of range\ngoroutine 7 [running]"},
		"charge ID after Ns":                       {"charge 9f86d081884c7d65 after 5s", "charge 3e23e8160039594a after 12s"},
		"handle order.created.v1: feedback faded":  {"handle order.created.v1: feedback faded"},
	} {
		for _, text := range texts {
			require.Equal(t, want, inbox.Cause(text), text)
		}
	}
}
