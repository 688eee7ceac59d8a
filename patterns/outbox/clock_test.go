package outbox_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// outage is a bus that is unavailable until some time. It records when it was
// called and when it accepted messages.
type outage struct {
	until    time.Time
	mu       sync.Mutex
	calls    []time.Time
	accepted []time.Time // one per message
}

func (o *outage) Publish(_ context.Context, messages []bus.Message) []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, time.Now())
	errs := make([]error, len(messages))
	for i := range messages {
		if time.Now().Before(o.until) {
			errs[i] = bus.ErrUnavailable
			continue
		}
		o.accepted = append(o.accepted, time.Now())
	}
	return errs
}

func TestTheRelayBacksOffWhileTheBusIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t, outbox.Migrations)
		unavailable := &outage{until: time.Now().Add(time.Minute)}
		o := outbox.New(outbox.Config{Service: "shop", DB: db, Publisher: unavailable, Now: time.Now, NewID: newHarness(db).newID})
		add := func(order string) {
			require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				return o.Add(ctx, tx, orderShipped{order})
			}))
		}
		ctx, stop := context.WithCancel(t.Context())
		var relay sync.WaitGroup
		relay.Go(func() { o.Relay().Run(ctx, slog.New(slog.DiscardHandler)) })

		add("o1")
		time.Sleep(30 * time.Second)
		add("o2") // which does not shorten the wait
		time.Sleep(40 * time.Second)
		synctest.Wait()
		require.Less(t, len(unavailable.calls), 20, "the relay calls it less and less often")
		require.Len(t, unavailable.accepted, 2, "at most 10 s after the bus is available again")

		start := time.Now()
		add("o3")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, unavailable.accepted, 3)
		require.Less(t, unavailable.accepted[2].Sub(start), 10*time.Millisecond, "the commit wakes the relay")
		stop()
		relay.Wait()
	})
}
