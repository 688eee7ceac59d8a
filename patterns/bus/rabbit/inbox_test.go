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

type invoiceSent struct {
	Text string `json:"text"`
}

func (invoiceSent) EventType() string       { return "invoice.sent.v1" }
func (i invoiceSent) CorrelationID() string { return i.Text }

// recordingInbox is an inbox that records the events it has handled.
type recordingInbox struct {
	*inbox.Inbox
	mu    sync.Mutex
	texts []string
}

func newRecordingInbox(t *testing.T) *recordingInbox {
	t.Helper()
	r := &recordingInbox{}
	r.Inbox = inbox.New(inbox.Config{
		Service: "billing", DB: sqldbtest.SQLite(t, inbox.Migrations), Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Handlers: []inbox.Handler{inbox.Handle(func(_ context.Context, tx sqldb.Tx, e inbox.Received[invoiceSent]) error {
			tx.OnCommit(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.texts = append(r.texts, e.Payload.Text)
			})
			return nil
		})},
	})
	return r
}

func (r *recordingInbox) handled(texts ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Equal(slices.Sorted(slices.Values(r.texts)), texts)
}

func encoded(t *testing.T, text string) bus.Message {
	t.Helper()
	e, err := event.New("id-of-"+text, "sales", time.Now(), invoiceSent{text})
	require.NoError(t, err)
	body, err := event.Encode(e)
	require.NoError(t, err)
	return bus.Message{ID: e.ID, Type: e.Type, Body: body}
}

// A message that crashes its consumer before the consumer can report an error becomes
// a dead letter, which the inbox parks and can retry. Other messages are handled, and
// one that cannot be decoded is parked as dead.
func TestAMessageThatCrashesItsConsumerIsParked(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	garbage := bus.Message{ID: "garbage", Type: "invoice.sent.v1", Body: []byte{0xff, 0}}
	publish(t, b, encoded(t, "poison"), encoded(t, "a"), garbage, encoded(t, "b"))
	for range 21 {
		require.Equal(t, "id-of-poison", crashOnNext(t, url).MessageId)
	}
	waitForMessages(t, url, deadQueue, 1)
	waitForMessages(t, url, queue, 3)

	r := newRecordingInbox(t)
	subscribe(t, b, r.Consume)
	require.Eventually(t, func() bool { return r.handled("a", "b") }, timeout, tick)
	require.Equal(t, []string{"garbage"}, parked(t, r, "dead", 1))
	require.Equal(t, []string{"id-of-poison"}, parked(t, r, "retry", 1))
	waitForMessages(t, url, deadQueue, 0)
}

// parked waits until n events are parked in a state, and returns their ids.
func parked(t *testing.T, r *recordingInbox, state string, n int) (ids []string) {
	t.Helper()
	require.Eventually(t, func() bool {
		events, err := r.ParkedEvents(t.Context(), state, 10)
		ids = nil
		for _, e := range events {
			ids = append(ids, e.EventID)
		}
		return err == nil && len(ids) == n
	}, timeout, tick)
	return ids
}

// crashOnNext consumes a message and loses its connection without an acknowledgement.
func crashOnNext(t *testing.T, url string) (d amqp.Delivery) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		require.NoError(t, ch.Qos(1, 0, false))
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		require.NoError(t, err)
		d = <-deliveries
	})
	return d
}
