package rabbit_test

import (
	"fmt"
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/patterns/event"
)

func receipts(ids ...string) (batch []bus.Message) {
	for _, m := range invoices(ids...) {
		m.Type = "receipt.sent.v1"
		batch = append(batch, m)
	}
	return batch
}

// get takes all messages of a queue.
func get(t *testing.T, url, name string) (all []amqp.Delivery) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) {
		for {
			d, ok, err := ch.Get(name, true)
			require.NoError(t, err)
			if !ok {
				return
			}
			all = append(all, d)
		}
	})
	return all
}

// eventsIn returns how many events each message holds.
func eventsIn(t *testing.T, messages []amqp.Delivery) (counts []int) {
	t.Helper()
	for _, m := range messages {
		if !event.IsBatch(m.ContentType) {
			require.Equal(t, event.ContentType, m.ContentType)
			counts = append(counts, 1)
			continue
		}
		require.Empty(t, m.MessageId, "it would be taken for the id of an event")
		bodies, err := event.Split(m.Body)
		require.NoError(t, err)
		counts = append(counts, len(bodies))
	}
	return counts
}

func TestEventsOfATypeShareAMessage(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := openWith(t, url, shared, 50)
	garbage := bus.Message{ID: "garbage", Type: "invoice.sent.v1", Body: []byte("{")}
	stranger := bus.Message{ID: "x", Type: "invoice.sent.v1", Body: []byte(`{"id":"y"}`)}
	publish(t, b, slices.Concat(invoices(numbered(0, 60)...), receipts("r1", "r2"), []bus.Message{garbage, stranger}, invoices(numbered(60, 120)...))...)
	publish(t, b, receipts("alone")...)
	require.ElementsMatch(t, []int{50, 10, 2, 1, 1, 50, 10, 1}, eventsIn(t, get(t, url, queue)))
	require.ElementsMatch(t, []int{50, 10, 1, 1, 50, 10}, eventsIn(t, get(t, url, "archive.events.v1")))
}

func TestAMessageHoldsFewBytesOfEvents(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := openWith(t, url, topology, 50)
	var large []bus.Message
	for i := range 10 {
		id := fmt.Sprintf("%05d", i)
		large = append(large, bus.Message{ID: id, Type: "invoice.sent.v1", Body: fmt.Appendf(nil, `{"id":%q,"data":"%010000d"}`, id, i)})
	}
	publish(t, b, large...)
	require.Equal(t, []int{3, 3, 3, 1}, eventsIn(t, get(t, url, queue)))
}

func TestAnEventInEachMessageIfOneIsSet(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	publish(t, openWith(t, url, topology, 1), invoices(numbered(0, 5)...)...)
	require.Equal(t, []int{1, 1, 1, 1, 1}, eventsIn(t, get(t, url, queue)))
}

// All events of a message that comes back are unroutable, and no others.
func TestABatchThatIsReturnedFailsAsAWhole(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := openWith(t, url, shared, 50)
	publish(t, b, invoices("first")...)
	deleteQueue(t, url, "archive.events.v1")
	batch := slices.Concat(invoices(numbered(0, 70)...), receipts(numbered(100, 110)...))
	for i, err := range b.Publish(t.Context(), batch) {
		if batch[i].Type == "invoice.sent.v1" {
			require.ErrorIs(t, err, bus.ErrUnroutable)
			continue
		}
		require.NoError(t, err)
	}
}

// An event that kills its consumer takes those beside it to the dead letters. There each is
// parked by itself, so that a retry handles them.
func TestABatchThatCrashesItsConsumerIsParkedEventByEvent(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := openWith(t, url, topology, 50)
	publish(t, b, encoded(t, "poison"), encoded(t, "a"), encoded(t, "b"))
	for range 21 {
		require.True(t, event.IsBatch(crashOnNext(t, url).ContentType))
	}
	waitForMessages(t, url, deadQueue, 1)
	r := newRecordingInbox(t)
	subscribe(t, b, r.Consume)
	require.ElementsMatch(t, []string{"id-of-poison", "id-of-a", "id-of-b"}, parked(t, r, "retry", 3))
}

func TestBatchesAreMovedWithTheirQueue(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	declareClassic(t, url)
	b := openWith(t, url, topology, 50)
	ids := numbered(0, 300)
	publish(t, b, invoices(ids...)...)
	require.NoError(t, rabbit.Move(t.Context(), url, topology, func(string) {}, func(int) {}))
	subscribe(t, b, nil).waitFor(t, ids...)
}
