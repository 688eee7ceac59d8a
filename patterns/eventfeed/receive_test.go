package eventfeed_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/event"
	"troupe/patterns/eventfeed"
	"troupe/patterns/outbox"
	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// Some characters take six times the bytes in the event that is published.
func TestAnEventThatIsTooLargeToPublishIsRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		o, f := replica(t, db, time.Now, 100)
		erp := eventfeed.Client{Name: "erp", Publishes: []string{eventfeed.Every}}
		receive := func(characters int) error {
			return db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				_, err := f.Receive(ctx, tx, erp, event.Envelope{
					ID: "e1", Source: "erp", Type: "order.shipped.v1", Data: json.RawMessage(`{"order":"` + strings.Repeat("<", characters) + `"}`),
				})
				return err
			})
		}
		err := receive(200_000)
		require.True(t, fault.Is(err, fault.TooLarge), err)
		n, err := o.Step(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)

		require.NoError(t, receive(100_000), "its id is free")
		n, err = o.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}, outbox.Migrations)
}
