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

// outage is a bus that is away until some time, and notes what it was asked when.
type outage struct {
	until time.Time
	mu    sync.Mutex
	asked []time.Time
	taken []time.Time // one per message
}

func (o *outage) Publish(_ context.Context, messages []bus.Message) []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, time.Now())
	errs := make([]error, len(messages))
	for i := range messages {
		if time.Now().Before(o.until) {
			errs[i] = bus.ErrUnavailable
			continue
		}
		o.taken = append(o.taken, time.Now())
	}
	return errs
}

func TestTheRelayBacksOffWhileTheBusIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.SQLite(t, outbox.Migrations)
		away := &outage{until: time.Now().Add(time.Minute)}
		o := outbox.New(outbox.Config{Service: "post", DB: db, Publisher: away, Now: time.Now, NewID: newWorld(db).newID})
		say := func(parcel string) {
			require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				return o.Add(ctx, tx, parcelSent{parcel})
			}))
		}
		ctx, stop := context.WithCancel(t.Context())
		var relay sync.WaitGroup
		relay.Go(func() { o.Relay().Run(ctx, slog.New(slog.DiscardHandler)) })

		say("p1")
		time.Sleep(30 * time.Second)
		say("p2") // which does not make the relay any less patient
		time.Sleep(40 * time.Second)
		synctest.Wait()
		require.Less(t, len(away.asked), 20, "it asked less and less often")
		require.Len(t, away.taken, 2, "10 s after the bus was back at the latest")

		began := time.Now()
		say("p3")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, away.taken, 3)
		require.Less(t, away.taken[2].Sub(began), 10*time.Millisecond, "the commit woke it")
		stop()
		relay.Wait()
	})
}
