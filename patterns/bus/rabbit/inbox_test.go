package rabbit_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

type letterSent struct {
	Text string `json:"text"`
}

func (letterSent) EventType() string       { return "letter.sent.v1" }
func (l letterSent) CorrelationID() string { return l.Text }

// reader is an inbox that notes what it read.
type reader struct {
	*inbox.Inbox
	mu   sync.Mutex
	read []string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{}
	r.Inbox = inbox.New(inbox.Config{
		Service: "house", DB: sqldbtest.SQLite(t, inbox.Migrations), Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Handlers: []inbox.Handler{inbox.Handle(func(_ context.Context, tx sqldb.Tx, l inbox.Received[letterSent]) error {
			tx.OnCommit(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.read = append(r.read, l.Payload.Text)
			})
			return nil
		})},
	})
	return r
}

func (r *reader) has(texts ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Equal(slices.Sorted(slices.Values(r.read)), texts)
}

func sealed(t *testing.T, text string) bus.Message {
	t.Helper()
	e, err := event.New("id-of-"+text, "post", time.Now(), letterSent{text})
	require.NoError(t, err)
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Message{ID: e.ID, Type: e.Type, Body: body}
}

// A message whose consumers die of it, before they can even say so, ends up with
// its service's dead letters, from where it can be tried again; its neighbours
// and what can not be read go their own ways.
func TestWhatKillsItsConsumersIsParkedAndItsNeighboursAreHandled(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	garbage := bus.Message{ID: "garbage", Type: "letter.sent.v1", Body: []byte{0xff, 0}}
	publish(t, b, sealed(t, "bomb"), sealed(t, "a"), garbage, sealed(t, "b"))
	for range 21 {
		require.Equal(t, "id-of-bomb", dieOfOne(t, url).MessageId)
	}
	holds(t, url, deadQueue, 1)
	holds(t, url, queue, 3)

	r := newReader(t)
	listen(t, b, r.Consume)
	require.Eventually(t, func() bool { return r.has("a", "b") }, patience, tick)
	require.Equal(t, []string{"garbage"}, parked(t, r, "dead", 1))
	require.Equal(t, []string{"id-of-bomb"}, parked(t, r, "retry", 1))
	holds(t, url, deadQueue, 0)
}

// parked waits until n events are parked in a state, and gives their ids.
func parked(t *testing.T, r *reader, state string, n int) (ids []string) {
	t.Helper()
	require.Eventually(t, func() bool {
		letters, err := r.ParkedEvents(t.Context(), state, 10)
		ids = nil
		for _, l := range letters {
			ids = append(ids, l.EventID)
		}
		return err == nil && len(ids) == n
	}, patience, tick)
	return ids
}

// dieOfOne consumes a message and dies.
func dieOfOne(t *testing.T, url string) (d amqp.Delivery) {
	t.Helper()
	onChannel(t, url, func(ch *amqp.Channel) {
		require.NoError(t, ch.Qos(1, 0, false))
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		require.NoError(t, err)
		d = <-deliveries
	})
	return d
}
