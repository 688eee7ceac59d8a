package eventfeed_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// A version before kept the fingerprint of the bytes, in which the same data can be encoded
// differently.
func TestAnEventThatAnEarlierVersionReceivedIsRecognized(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		_, f := replica(t, db, time.Now, 100)
		erp := eventfeed.Client{Name: "erp", Publishes: []string{eventfeed.Every}}
		const data = `{"order": "o1", "a": 1}`
		sum := sha256.Sum256([]byte("order.shipped.v1\n" + data))
		_, err := db.Exec(t.Context(), "INSERT INTO events_received (source, event_id, fingerprint, published, received_at) VALUES ('erp', 'e1', $1, 'p1', $2)",
			hex.EncodeToString(sum[:]), sqldb.Micros(time.Now()))
		require.NoError(t, err)
		receive := func(data string) (receipt eventfeed.Receipt, err error) {
			err = db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) (err error) {
				receipt, err = f.Receive(ctx, tx, erp, event.Envelope{ID: "e1", Source: "erp", Type: "order.shipped.v1", Data: json.RawMessage(data)})
				return err
			})
			return receipt, err
		}
		receipt, err := receive(data)
		require.NoError(t, err)
		require.Equal(t, eventfeed.Receipt{ID: "p1", Duplicate: true}, receipt)
		_, err = receive(`{"order": "o2", "a": 1}`)
		require.True(t, fault.Is(err, fault.Conflict), err)
	}, outbox.Migrations)
}
