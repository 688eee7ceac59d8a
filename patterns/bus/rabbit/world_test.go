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
	queue     = "house.events.v1"
	deadQueue = "house.dead.v1"

	patience = 30 * time.Second
	tick     = 5 * time.Millisecond
)

var (
	topology = bus.Topology{"letter.sent.v1": {"house"}, "rumour.spread.v1": {}}
	// shared is what several hear.
	shared = bus.Topology{"letter.sent.v1": {"house", "archive"}, "parcel.sent.v1": {"house"}, "rumour.spread.v1": {}}
)

func letters(ids ...string) (batch []bus.Message) {
	for _, id := range ids {
		batch = append(batch, bus.Message{ID: id, Type: "letter.sent.v1", Body: []byte("body of " + id)})
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

// hearer notes what it hears.
type hearer struct {
	mu       sync.Mutex
	attempts map[string][]int // by message id
	end      func()           // of the subscription
	done     chan struct{}
}

// listen subscribes the house. first, if not nil, sees every batch before it counts as heard.
func listen(t *testing.T, b *rabbit.Bus, first bus.BatchHandler) *hearer {
	t.Helper()
	return listenAs(t, b, "house", first)
}

func listenAs(t *testing.T, b *rabbit.Bus, service string, first bus.BatchHandler) *hearer {
	t.Helper()
	h := &hearer{attempts: map[string][]int{}, done: make(chan struct{})}
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
			h.note(batch)
			return nil
		})
	}()
	h.end = func() {
		cancel()
		<-h.done
		require.NoError(t, err)
	}
	t.Cleanup(h.end)
	return h
}

func (h *hearer) note(batch []bus.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range batch {
		h.attempts[d.ID] = append(h.attempts[d.ID], d.Attempt)
	}
}

func (h *hearer) heard(id string) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.attempts[id])
}

// waits until all ids were heard.
func (h *hearer) waits(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.Eventually(t, func() bool { return len(h.heard(id)) > 0 }, patience, tick, "%s was lost", id)
	}
}

// diary is a log that can be waited for.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// says how often something is in it.
func (d *diary) says(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), what)
}

func (d *diary) waits(t *testing.T, what string) {
	t.Helper()
	require.Eventually(t, func() bool { return d.says(what) > 0 }, patience, tick, "the log does not say %q", what)
}

// onChannel does something to the broker itself.
func onChannel(t testing.TB, url string, do func(ch *amqp.Channel)) {
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
	onChannel(t, url, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(name, false, false, false)
		require.NoError(t, err)
	})
}

// holds waits until a queue holds n messages that nobody has taken.
func holds(t *testing.T, url, name string, n int) {
	t.Helper()
	onChannel(t, url, func(ch *amqp.Channel) {
		require.Eventually(t, func() bool {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err == nil && q.Messages == n
		}, patience, tick, "%s does not hold %d messages", name, n)
	})
}
