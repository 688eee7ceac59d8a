package eventfeed_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/eventfeed"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

type shipped struct {
	Order string `json:"order"`
}

func (shipped) EventType() string       { return "order.shipped.v1" }
func (s shipped) CorrelationID() string { return s.Order }

// accepting is a bus that accepts everything but every third message, once.
type accepting struct {
	mu       sync.Mutex
	rejected map[string]bool
}

func (a *accepting) Publish(_ context.Context, messages []bus.Message) []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if i%3 == 2 && !a.rejected[m.ID] {
			a.rejected[m.ID] = true
			errs[i] = bus.ErrUnavailable
		}
	}
	return errs
}

// replica returns the outbox and the feed of one replica of a service.
func replica(t *testing.T, db sqldb.DB, now func() time.Time, most int64) (*outbox.Outbox, *eventfeed.Feed) {
	t.Helper()
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	o := outbox.New(outbox.Config{
		Service: "shop", DB: db, Publisher: &accepting{rejected: map[string]bool{}}, Now: now, NewID: newID, Log: true,
	})
	f, err := eventfeed.New(eventfeed.Config{
		Service: "shop", Types: []string{"order.shipped.v1"}, DB: db, Outbox: o, Now: now, NewID: newID, Keep: time.Hour, Most: most,
		Schema: func(string) ([]byte, error) { return []byte(`{"type":"object"}`), nil },
	})
	require.NoError(t, err)
	return o, f
}

func add(t *testing.T, o *outbox.Outbox, db sqldb.DB, orders ...string) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		for _, order := range orders {
			if err := o.Add(ctx, tx, shipped{order}); err != nil {
				return err
			}
		}
		return nil
	}))
}

var reader = eventfeed.Client{Name: "erp", Reads: []string{eventfeed.Every}}

// readAll reads until the reader has n events, and returns how often each order came.
func readAll(t *testing.T, f *eventfeed.Feed, n int) map[string]int {
	t.Helper()
	got, cursor := map[string]int{}, int64(0)
	for len(got) < n {
		page, err := f.Read(t.Context(), reader, cursor, 7)
		require.NoError(t, err)
		for _, e := range page.Events {
			require.Greater(t, e.Position, cursor)
			var body struct{ Data shipped }
			require.NoError(t, json.Unmarshal(e.Body, &body))
			got[body.Data.Order]++
		}
		cursor = page.Next
	}
	return got
}

// Three replicas publish at the same time, and the bus rejects some. A reader that follows
// them gets each event once.
func TestAReaderMissesNothingOfSeveralRelays(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		replicas, each := 3, 100
		if strings.HasSuffix(t.Name(), "sqlite") {
			replicas = 1 // it has one relay
		}
		var wait sync.WaitGroup
		_, f := replica(t, db, time.Now, 1e6)
		for r := range replicas {
			o, _ := replica(t, db, time.Now, 1e6)
			for i := range each {
				add(t, o, db, fmt.Sprintf("%d-%d-a", r, i), fmt.Sprintf("%d-%d-b", r, i), fmt.Sprintf("%d-%d-c", r, i))
			}
			wait.Go(func() {
				for {
					n, err := o.Step(t.Context())
					if n == 0 && err == nil {
						return
					}
				}
			})
		}
		got := readAll(t, f, replicas*each*3)
		wait.Wait()
		for order, times := range got {
			require.Equal(t, 1, times, order)
		}
	}, outbox.Migrations)
}

func TestNoMoreEventsAreKeptThanAllowed(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		o, f := replica(t, db, time.Now, 10)
		for i := range 15 {
			add(t, o, db, fmt.Sprint(i))
		}
		for range 10 {
			_, _ = o.Step(t.Context()) // some are rejected at first
		}
		for _, w := range f.Workers() {
			_, err := w.Step(t.Context())
			require.NoError(t, err)
		}
		page, err := f.Read(t.Context(), reader, 0, 100)
		require.NoError(t, err)
		require.Len(t, page.Events, 10)
		_, err = f.Read(t.Context(), reader, 3, 100)
		require.ErrorContains(t, err, "events after 3 are no longer kept: some are missing; begin again with after=5")
		_, err = f.Read(t.Context(), reader, 5, 100)
		require.NoError(t, err)
	}, outbox.Migrations)
}

// The largest event has 1 MiB: 200 of them would be 200 MiB for each reader.
func TestAReadIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		o, f := replica(t, db, time.Now, 100)
		for i := range 9 {
			add(t, o, db, fmt.Sprint(i)+strings.Repeat("x", 200_000))
			_, err := o.Step(t.Context())
			require.NoError(t, err)
		}
		var sizes []int
		for page := (eventfeed.Page{More: true}); page.More; {
			var err error
			page, err = f.Read(t.Context(), reader, page.Next, 100)
			require.NoError(t, err)
			sizes = append(sizes, len(page.Events))
		}
		require.Equal(t, []int{3, 3, 3, 0}, sizes, "each ends with the event that reaches 1 MiB")
	}, outbox.Migrations)
}

// What is published again for one service that has lost it is no news for programs outside.
func TestAnEventForOneServiceAloneIsNotInTheFeed(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		o, f := replica(t, db, time.Now, 100)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return o.AddPending(ctx, tx, event.Pending{Payload: shipped{"again"}, Recipient: "orders"}, event.Pending{Payload: shipped{"new"}})
		}))
		n, err := o.Step(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, map[string]int{"new": 1}, readAll(t, f, 1))
	}, outbox.Migrations)
}
