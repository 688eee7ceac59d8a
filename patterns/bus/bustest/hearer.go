package bustest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
)

// patience is how long anything may take before the suite gives up on it.
const patience = 30 * time.Second

// hearer is a consumer that notes what it heard.
type hearer struct {
	mu    sync.Mutex
	heard map[string][]bus.Delivery // acknowledged, by id
	more  chan struct{}             // closed and replaced whenever something was heard
	stop  func()
}

// listen subscribes; before, if not nil, may refuse a batch. It is not asked
// about empty ones.
func listen(t *testing.T, b Bus, service string, before bus.BatchHandler) *hearer {
	t.Helper()
	h := &hearer{heard: map[string][]bus.Delivery{}, more: make(chan struct{})}
	h.subscribe(t, b, service, before)
	return h
}

// subscribe adds a consumer to h.
func (h *hearer) subscribe(t *testing.T, b Bus, service string, before bus.BatchHandler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- b.Subscribe(ctx, service, func(ctx context.Context, batch []bus.Delivery) error {
			if before != nil && len(batch) > 0 {
				if err := before(ctx, batch); err != nil {
					return err
				}
			}
			h.note(batch)
			return nil
		})
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, receive(t, done, "Subscribe did not return"))
	})
	t.Cleanup(h.stop)
}

func (h *hearer) note(batch []bus.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range batch {
		h.heard[d.ID] = append(h.heard[d.ID], d)
	}
	close(h.more)
	h.more = make(chan struct{})
}

// waits until all ids were heard.
func (h *hearer) waits(t *testing.T, ids ...string) {
	t.Helper()
	limit := time.After(patience)
	for {
		missing, more := h.missing(ids)
		if len(missing) == 0 {
			return
		}
		select {
		case <-more:
		case <-limit:
			require.Failf(t, "messages were lost", "%d of %d, first %s", len(missing), len(ids), missing[0])
		}
	}
}

func (h *hearer) missing(ids []string) (missing []string, more chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if len(h.heard[id]) == 0 {
			missing = append(missing, id)
		}
	}
	return missing, h.more
}

// of is how an id was heard.
func (h *hearer) of(id string) []bus.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard[id]
}

// count is how many ids were heard.
func (h *hearer) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.heard)
}

// receive waits for c.
func receive[T any](t *testing.T, c <-chan T, complaint string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		require.Fail(t, complaint)
	}
	return v
}

// messages makes n messages whose ids begin with prefix and sort by number.
func messages(prefix, eventType string, n int) (batch []bus.Message) {
	for i := range n {
		id := fmt.Sprintf("%s-%05d", prefix, i)
		batch = append(batch, bus.Message{ID: id, Type: eventType, Body: []byte("body of " + id)})
	}
	return batch
}

func idsOf(batch []bus.Message) (ids []string) {
	for _, m := range batch {
		ids = append(ids, m.ID)
	}
	return ids
}

// publish demands that every message is taken.
func publish(t *testing.T, b Bus, batch ...bus.Message) {
	t.Helper()
	errs := b.Publish(t.Context(), batch)
	require.Len(t, errs, len(batch))
	for i, err := range errs {
		require.NoError(t, err, batch[i].ID)
	}
}
