package inbox_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestAParkedEventIsRetriedUntilItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		start := time.Now()
		db := sqldbtest.SQLite(t, inbox.Migrations)
		in := inbox.New(inbox.Config{
			Service: "shop", DB: db, Now: time.Now, Log: testLogger(t), Jitter: func() float64 { return 1 },
			Handlers: []inbox.Handler{inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[orderPlaced]) error {
				tries = append(tries, time.Since(start))
				if time.Since(start) < 20*time.Second {
					return errInvalid
				}
				return nil
			})},
		})
		h := &harness{now: start}
		require.NoError(t, in.Consume(t.Context(), h.deliveries(t, orderPlaced{"a"})))
		ctx, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for _, w := range in.Workers() {
			workers.Go(func() { w.Run(ctx, testLogger(t)) })
		}
		time.Sleep(time.Minute)
		stop()
		workers.Wait()

		// The wait doubles, and a worker that finds nothing to do steps once a second.
		for n, due := range []time.Duration{0, 1, 3, 7, 15, 31} {
			require.GreaterOrEqual(t, tries[n], due*time.Second)
			require.Less(t, tries[n], (due+time.Duration(n)+1)*time.Second)
		}
		require.Len(t, tries, 6)
		left, err := in.ParkedEvents(t.Context(), "", 10)
		require.NoError(t, err)
		require.Empty(t, left)
		require.NotNil(t, left, "in JSON an empty list, not null")
	})
}
