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

type orderShipped struct {
	Order string `json:"order"`
}

func (orderShipped) EventType() string       { return "order.shipped.v1" }
func (o orderShipped) CorrelationID() string { return o.Order }

type orderReturned struct {
	Order string `json:"order"`
}

func (orderReturned) EventType() string       { return "order.returned.v1" }
func (o orderReturned) CorrelationID() string { return o.Order }

// harness is an outbox, a clock and a bus that can reject messages.
type harness struct {
	*outbox.Outbox
	db            sqldb.DB
	now           time.Time
	ids           int
	published     []event.Envelope
	reject        func(m bus.Message) error
	duringPublish func(ctx context.Context) // called by Publish
	mu            sync.Mutex
}

func eachDatabase(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		test(t, newHarness(db))
	}, outbox.Migrations)
}

func newHarness(db sqldb.DB) *harness {
	h := &harness{db: db, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	h.Outbox = h.outboxOn(db)
	return h
}

func (h *harness) outboxOn(db sqldb.DB) *outbox.Outbox {
	return outbox.New(outbox.Config{
		Service: "shop", DB: db, Publisher: h,
		Now: func() time.Time { return h.now }, NewID: h.newID,
	})
}

func (h *harness) newID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids++
	return fmt.Sprintf("id-%05d", h.ids)
}

func (h *harness) Publish(ctx context.Context, messages []bus.Message) []error {
	if h.duringPublish != nil {
		h.duringPublish(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if h.reject != nil {
			errs[i] = h.reject(m)
		}
		if errs[i] == nil {
			e, err := event.Decode(m.Body)
			h.published, errs[i] = append(h.published, e), err
		}
	}
	return errs
}

func (h *harness) add(t *testing.T, payloads ...event.Payload) {
	t.Helper()
	require.NoError(t, h.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		return h.Add(ctx, tx, payloads...)
	}))
}

func (h *harness) step(t *testing.T, want int) {
	t.Helper()
	n, err := h.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, n)
}

func (h *harness) publishedIDs() (ids []string) {
	for _, e := range h.published {
		ids = append(ids, e.ID)
	}
	return ids
}

func (h *harness) pending(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, h.db.QueryRow(t.Context(), "SELECT count(*) FROM outbox").Scan(&n))
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
