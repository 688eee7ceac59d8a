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

func TestAParkedEventIsTriedUntilItsTroubleIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		began := time.Now()
		db := sqldbtest.SQLite(t, inbox.Migrations)
		in := inbox.New(inbox.Config{
			Service: "house", DB: db, Now: time.Now, Log: quiet(t), Jitter: func() float64 { return 1 },
			Handlers: []inbox.Handler{inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[letterCame]) error {
				tries = append(tries, time.Since(began))
				if time.Since(began) < 20*time.Second {
					return errTorn
				}
				return nil
			})},
		})
		h := &house{now: began}
		require.NoError(t, in.Consume(t.Context(), h.post(t, letterCame{"a"})))
		ctx, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for _, w := range in.Workers() {
			workers.Go(func() { w.Run(ctx, quiet(t)) })
		}
		time.Sleep(time.Minute)
		stop()
		workers.Wait()

		// The wait doubles, and a worker that found nothing looks every second.
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
