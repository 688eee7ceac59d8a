package rabbit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
)

const (
	queue     = "billing.events.v1"
	deadQueue = "billing.dead.v1"

	timeout = 30 * time.Second
	tick    = 5 * time.Millisecond
)

var (
	topology = bus.Topology{"invoice.sent.v1": {"billing"}, "audit.done.v1": {}}
	// shared has a type with several consumers.
	shared = bus.Topology{"invoice.sent.v1": {"billing", "archive"}, "receipt.sent.v1": {"billing"}, "audit.done.v1": {}}
)

func invoices(ids ...string) (batch []bus.Message) {
	for _, id := range ids {
		batch = append(batch, bus.Message{ID: id, Type: "invoice.sent.v1", Body: fmt.Appendf(nil, `{"id":%q}`, id)})
	}
	return batch
}

func numbered(from, to int) (ids []string) {
	for n := from; n < to; n++ {
		ids = append(ids, fmt.Sprintf("%05d", n))
	}
	return ids
}

func publish(t *testing.T, b *rabbit.Bus, batch ...bus.Message) {
	t.Helper()
	for i, err := range b.Publish(t.Context(), batch) {
		require.NoError(t, err, batch[i].ID)
	}
}

// testConsumer records the attempts of the messages it has handled.
type testConsumer struct {
	mu       sync.Mutex
	attempts map[string][]int // by message id
	stop     func()           // ends the subscription
	done     chan struct{}
}

// subscribe subscribes as the service billing. first, if it is not nil, handles every
// batch that is not empty before it is recorded, and may reject it.
func subscribe(t *testing.T, b *rabbit.Bus, first bus.BatchHandler) *testConsumer {
	t.Helper()
	return subscribeAs(t, b, "billing", first)
}

func subscribeAs(t *testing.T, b *rabbit.Bus, service string, first bus.BatchHandler) *testConsumer {
	t.Helper()
	h := &testConsumer{attempts: map[string][]int{}, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var err error
	go func() {
		defer close(h.done)
		err = b.Subscribe(ctx, service, func(ctx context.Context, batch []bus.Delivery) error {
			if first != nil && len(batch) > 0 {
				if err := first(ctx, batch); err != nil {
					return err
				}
			}
			h.record(batch)
			return nil
		})
	}()
	h.stop = func() {
		cancel()
		<-h.done
		require.NoError(t, err)
	}
	t.Cleanup(h.stop)
	return h
}

func (h *testConsumer) record(batch []bus.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range batch {
		h.attempts[d.ID] = append(h.attempts[d.ID], d.Attempt)
	}
}

func (h *testConsumer) received(id string) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.attempts[id])
}

// waitFor waits until messages with all these ids were handled.
func (h *testConsumer) waitFor(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.Eventually(t, func() bool { return len(h.received(id)) > 0 }, timeout, tick, "%s was lost", id)
	}
}

// logBuffer is a log whose lines a test can wait for.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *logBuffer) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// count returns how often the log contains a text.
func (d *logBuffer) count(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), what)
}

func (d *logBuffer) waitFor(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return d.count(what) > 0 }, timeout, tick, "the log does not contain %q", what)
}

// withChannel calls do with a channel of the broker, past the bus.
func withChannel(t testing.TB, url string, do func(ch *amqp.Channel)) {
	t.Helper()
	connection, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, connection.Close()) }()
	channel, err := connection.Channel()
	require.NoError(t, err)
	do(channel)
}

func deleteQueue(t *testing.T, url, name string) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(name, false, false, false)
		require.NoError(t, err)
	})
}

// waitForMessages waits until a queue holds n messages that are ready for delivery.
func waitForMessages(t *testing.T, url, name string, n int) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		require.Eventually(t, func() bool {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err == nil && q.Messages == n
		}, timeout, tick, "%s does not hold %d messages", name, n)
	})
}
