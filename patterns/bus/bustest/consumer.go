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

// timeout is how long the suite waits for anything.
const timeout = 30 * time.Second

// consumer records the messages it has acknowledged.
type consumer struct {
	mu         sync.Mutex
	deliveries map[string][]bus.Delivery // by message id
	changed    chan struct{}             // closed and replaced after each batch
	stop       func()
}

// consume subscribes. before, if it is not nil, is called with every batch that is
// not empty and may reject it with an error.
func consume(t *testing.T, b Bus, service string, before bus.BatchHandler) *consumer {
	t.Helper()
	c := &consumer{deliveries: map[string][]bus.Delivery{}, changed: make(chan struct{})}
	c.subscribe(t, b, service, before)
	return c
}

// subscribe adds a consumer to c.
func (c *consumer) subscribe(t *testing.T, b Bus, service string, before bus.BatchHandler) {
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
			c.record(batch)
			return nil
		})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, receive(t, done, "Subscribe did not return"))
	})
	t.Cleanup(c.stop)
}

func (c *consumer) record(batch []bus.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range batch {
		c.deliveries[d.ID] = append(c.deliveries[d.ID], d)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// waitFor waits until messages with all these ids were acknowledged.
func (c *consumer) waitFor(t *testing.T, ids ...string) {
	t.Helper()
	expired := time.After(timeout)
	for {
		missing, more := c.missing(ids)
		if len(missing) == 0 {
			return
		}
		select {
		case <-more:
		case <-expired:
			require.Failf(t, "messages were lost", "%d of %d, first %s", len(missing), len(ids), missing[0])
		}
	}
}

func (c *consumer) missing(ids []string) (missing []string, more chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if len(c.deliveries[id]) == 0 {
			missing = append(missing, id)
		}
	}
	return missing, c.changed
}

// received returns the acknowledged deliveries of a message id.
func (c *consumer) received(id string) []bus.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deliveries[id]
}

// count returns how many different message ids were acknowledged.
func (c *consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.deliveries)
}

// receive returns the next value of c. If none comes in time, the test fails with
// this message.
func receive[T any](t *testing.T, c <-chan T, message string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(timeout):
		require.Fail(t, message)
	}
	return v
}

// messages returns n events whose ids begin with prefix and sort by number.
func messages(prefix, eventType string, n int) (batch []bus.Message) {
	for i := range n {
		id := fmt.Sprintf("%s-%05d", prefix, i)
		batch = append(batch, bus.Message{ID: id, Type: eventType, Body: body(id)})
	}
	return batch
}

// body returns an event as it is encoded.
func body(id string) []byte { return fmt.Appendf(nil, `{"id":%q,"data":{"of":%q}}`, id, id) }

func idsOf(batch []bus.Message) (ids []string) {
	for _, m := range batch {
		ids = append(ids, m.ID)
	}
	return ids
}

// publish publishes a batch and requires that every message is accepted.
func publish(t *testing.T, b Bus, batch ...bus.Message) {
	t.Helper()
	errs := b.Publish(t.Context(), batch)
	require.Len(t, errs, len(batch))
	for i, err := range errs {
		require.NoError(t, err, batch[i].ID)
	}
}
