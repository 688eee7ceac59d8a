package outbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

type parcelSent struct {
	Parcel string `json:"parcel"`
}

func (parcelSent) EventType() string       { return "parcel.sent.v1" }
func (p parcelSent) CorrelationID() string { return p.Parcel }

type parcelLost struct {
	Parcel string `json:"parcel"`
}

func (parcelLost) EventType() string       { return "parcel.lost.v1" }
func (p parcelLost) CorrelationID() string { return p.Parcel }

// world is an outbox, a clock and a bus that can refuse.
type world struct {
	*outbox.Outbox
	db     sqldb.DB
	now    time.Time
	ids    int
	said   []event.Envelope
	refuse func(m bus.Message) error
	during func(ctx context.Context) // called while a batch is being published
	mu     sync.Mutex
}

func eachDatabase(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		test(t, newWorld(db))
	}, outbox.Migrations)
}

func newWorld(db sqldb.DB) *world {
	w := &world{db: db, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	w.Outbox = w.outboxOn(db)
	return w
}

func (w *world) outboxOn(db sqldb.DB) *outbox.Outbox {
	return outbox.New(outbox.Config{
		Service: "post", DB: db, Publisher: w,
		Now: func() time.Time { return w.now }, NewID: w.newID,
	})
}

func (w *world) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id-%05d", w.ids)
}

func (w *world) Publish(ctx context.Context, messages []bus.Message) []error {
	if w.during != nil {
		w.during(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if w.refuse != nil {
			errs[i] = w.refuse(m)
		}
		if errs[i] == nil {
			e, err := event.Decode(m.Body)
			w.said, errs[i] = append(w.said, e), err
		}
	}
	return errs
}

func (w *world) add(t *testing.T, facts ...event.Payload) {
	t.Helper()
	require.NoError(t, w.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		return w.Add(ctx, tx, facts...)
	}))
}

func (w *world) step(t *testing.T, want int) {
	t.Helper()
	n, err := w.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, n)
}

func (w *world) saidIDs() (ids []string) {
	for _, e := range w.said {
		ids = append(ids, e.ID)
	}
	return ids
}

func (w *world) waiting(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, w.db.QueryRow(t.Context(), "SELECT count(*) FROM outbox").Scan(&n))
	return n
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(t, "no metric "+name)
	return 0
}
