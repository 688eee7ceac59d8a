package rabbit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// A client that revives its channel after a lost connection counts delivery tags from 1
// again. The late acknowledgement of a batch from before the loss would then acknowledge
// messages that were never handled.
func TestALateAckDoesNotAcknowledgeAnotherMessage(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	proxy := rabbittest.NewProxy(t, url)
	c, log := config(t, proxy.URL, topology), &logBuffer{}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	other := open(t, url, topology)

	handling, committed, crashed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	begin, commit, crash := sync.OnceFunc(func() { close(handling) }), sync.OnceFunc(func() { close(committed) }), sync.OnceFunc(func() { close(crashed) })
	first := subscribe(t, b, func(context.Context, []bus.Delivery) error {
		begin()
		<-committed // a slow transaction
		return nil
	})
	t.Cleanup(commit)
	publish(t, other, invoices("A")...)
	<-handling
	proxy.Cut()
	publish(t, other, invoices("B", "C", "D")...)
	subscribe(t, b, func(context.Context, []bus.Delivery) error { // on a new session, with tags from 1
		<-crashed
		return errors.New("crashed")
	})
	t.Cleanup(crash)
	waitForMessages(t, url, queue, 0)

	commit()
	first.waitFor(t, "A")
	log.waitFor(t, "acknowledge a batch: Exception (504)")
	proxy.Down()
	crash()
	waitForMessages(t, url, queue, 4)
	subscribe(t, other, nil).waitFor(t, "A", "B", "C", "D")
}

func TestNothingIsLostWhenTheNetworkFails(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, shared)
	billing, archive := subscribe(t, b, nil), subscribeAs(t, b, "archive", nil)
	ids := numbered(0, 2000)
	for n, part := range slices.Collect(slices.Chunk(ids, 100)) {
		var cutting sync.WaitGroup
		if n%3 == 0 {
			cutting.Go(proxy.Cut)
		}
		batch := invoices(part...)
		require.Eventually(t, func() bool {
			var again []bus.Message
			for i, err := range b.Publish(t.Context(), batch) {
				if err != nil {
					require.ErrorIs(t, err, bus.ErrUnavailable)
					again = append(again, batch[i])
				}
			}
			batch = again
			return len(batch) == 0
		}, timeout, tick)
		cutting.Wait()
	}
	billing.waitFor(t, ids...)
	archive.waitFor(t, ids...)
}

// The broker returns a message only if no queue at all takes it, so with several
// consumers a missing queue could go unnoticed.
func TestAMessageIsAcceptedOnlyWhenEveryQueueHasIt(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*testing.T, *amqp.Channel){
		"a queue is deleted": func(t *testing.T, ch *amqp.Channel) {
			_, err := ch.QueueDelete("archive.events.v1", false, false, false)
			require.NoError(t, err)
		},
		"a binding is removed": func(t *testing.T, ch *amqp.Channel) {
			require.NoError(t, ch.QueueUnbind("archive.events.v1", "invoice.sent.v1.archive", "troupe.events", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := rabbittest.URL(t)
			b := open(t, url, shared)
			publish(t, b, invoices("before")...)
			withChannel(t, url, func(ch *amqp.Channel) { remove(t, ch) })

			batch := []bus.Message{
				{ID: "receipt", Type: "receipt.sent.v1"},
				{ID: "invoice", Type: "invoice.sent.v1"},
				{ID: "audit", Type: "audit.done.v1"},
			}
			errs := b.Publish(t.Context(), batch)
			require.NoError(t, errs[0], "its only consumer has a queue")
			require.ErrorIs(t, errs[1], bus.ErrUnroutable)
			require.ErrorContains(t, errs[1], "invoice.sent.v1.archive")
			require.NoError(t, errs[2], "it has no consumer")

			publish(t, b, batch[1]) // as the outbox does; the new session declares what is missing
			subscribeAs(t, b, "archive", nil).waitFor(t, "invoice")
			billing := subscribe(t, b, nil)
			billing.waitFor(t, "before", "receipt", "invoice")
			waitForMessages(t, url, queue, 0)
			require.Len(t, billing.received("invoice"), 2) // the inbox drops the second
		})
	}
}

func TestEveryCopyOfALargeBatchIsConfirmed(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, bus.Topology{"invoice.sent.v1": {"billing", "archive", "search"}})
	publish(t, b, invoices(numbered(0, 1500)...)...)
	for _, service := range []string{"billing", "archive", "search"} {
		waitForMessages(t, url, service+".events.v1", 1500)
	}
	for _, service := range []string{"archive", "search"} {
		deleteQueue(t, url, service+".events.v1")
	}
	for _, err := range b.Publish(t.Context(), invoices(numbered(0, 300)...)) {
		require.ErrorIs(t, err, bus.ErrUnroutable)
	}
}

// As many messages as may be unconfirmed at a time are returned, and every one is noticed.
func TestAThousandReturnedMessagesAreAllUnroutable(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	publish(t, b, invoices("before")...)
	deleteQueue(t, url, queue)
	for _, err := range b.Publish(t.Context(), invoices(numbered(0, 1000)...)) {
		require.ErrorIs(t, err, bus.ErrUnroutable)
	}
}

// Earlier versions bound queues with the event type alone and published under it.
func TestBindingsOfAnEarlierVersionDeliverOnce(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	withChannel(t, url, func(ch *amqp.Channel) {
		require.NoError(t, ch.QueueBind(queue, "invoice.sent.v1", "troupe.events", false, nil))
		publish(t, b, invoices("new")...)
		old := amqp.Publishing{MessageId: "old", Type: "invoice.sent.v1"}
		require.NoError(t, ch.Publish("troupe.events", "invoice.sent.v1", true, false, old))
	})
	waitForMessages(t, url, queue, 2)
	subscribe(t, b, nil).waitFor(t, "new", "old")
}

func TestADeletedQueueIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	b.SetIdleTimeout(time.Second)
	c := subscribe(t, b, nil)
	publish(t, b, invoices("before")...)
	c.waitFor(t, "before")
	deleteQueue(t, url, queue)
	require.Eventually(t, func() bool {
		return b.Publish(t.Context(), invoices("after"))[0] == nil
	}, timeout, tick)
	c.waitFor(t, "after")

	c.stop()
	deleteQueue(t, url, queue)
	require.ErrorIs(t, b.Publish(t.Context(), invoices("unroutable"))[0], bus.ErrUnroutable)
	publish(t, b, invoices("again")...) // the new session declares the queue
	subscribe(t, b, nil).waitFor(t, "again")
}

func TestADeletedExchangeIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	publish(t, b, invoices("before")...)
	withChannel(t, url, func(ch *amqp.Channel) { require.NoError(t, ch.ExchangeDelete("troupe.events", false, false)) })
	for _, err := range b.Publish(t.Context(), invoices("a", "b")) {
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorContains(t, err, "no exchange")
	}
	publish(t, b, invoices("after")...)
	subscribe(t, b, nil).waitFor(t, "before", "after")
}

func TestPublishReportsAnUnreachableBrokerAsUnavailable(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	publish(t, b, invoices("before")...)
	proxy.Down()
	for range 2 { // first the session is lost, then none can be opened
		errs := b.Publish(t.Context(), invoices(numbered(0, 1200)...))
		require.Len(t, errs, 1200)
		for _, err := range errs {
			require.ErrorIs(t, err, bus.ErrUnavailable)
		}
	}
	proxy.Restore(t)
	publish(t, b, invoices("after")...)
}

func TestPublishTimesOutWhenTheBrokerStopsReading(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	publish(t, b, invoices("before")...)
	proxy.Stall()

	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Publish(soon, invoices("short timeout"))[0], context.DeadlineExceeded)

	proxy.Resume()
	publish(t, b, invoices("between")...)
	proxy.Stall()
	batch := invoices(numbered(0, 600)...)
	for i := range batch {
		batch[i].Body = make([]byte, 64<<10) // more than the network buffers
	}
	began := time.Now()
	for _, err := range b.Publish(t.Context(), batch) {
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorContains(t, err, "did not confirm within 10s")
	}
	require.Less(t, time.Since(began), 20*time.Second)
	proxy.Resume()
	publish(t, b, invoices("after")...)
	subscribe(t, b, nil).waitFor(t, "before", "between", "after")
}

func TestCloseDoesNotWaitForABrokerThatStopsReading(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	c := subscribe(t, b, nil)
	publish(t, b, invoices("before")...)
	c.waitFor(t, "before")
	proxy.Stall()
	began := time.Now()
	c.stop()
	require.NoError(t, b.Close())
	require.Less(t, time.Since(began), 18*time.Second) // 6 s on an idle machine
}

func TestAGracefulStopRequeuesNothing(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	ids := numbered(0, 3000)
	publish(t, b, invoices(ids...)...)
	handling, ending := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := subscribe(t, b, func(context.Context, []bus.Delivery) error {
		once.Do(func() { close(handling); <-ending })
		return nil
	})
	<-handling
	time.AfterFunc(50*time.Millisecond, func() { close(ending) })
	c.stop()
	next := subscribe(t, open(t, url, topology), nil)
	for _, id := range ids {
		require.Eventually(t, func() bool { return len(c.received(id))+len(next.received(id)) == 1 }, timeout, tick)
		require.Equal(t, []int{0}, append(c.received(id), next.received(id)...))
	}
}

func TestATooLargeMessageFailsAlone(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	batch := invoices("a", strings.Repeat("i", 256), "b", "big", "c")
	batch[3].Body = make([]byte, 16<<20+1)
	errs := b.Publish(t.Context(), batch)
	require.ErrorContains(t, errs[1], "more than 255")
	require.ErrorContains(t, errs[3], "more than 16777216 bytes")
	require.NoError(t, errors.Join(errs[0], errs[2], errs[4]))
	subscribe(t, b, nil).waitFor(t, "a", "b", "c")
}

func TestAnIdleConsumerReconnectsAndMissesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	b.SetIdleTimeout(time.Millisecond)
	c := subscribe(t, b, nil)
	ids := numbered(0, 300)
	for _, id := range ids {
		publish(t, b, invoices(id)...)
	}
	c.waitFor(t, ids...)
	for _, id := range ids {
		require.Len(t, c.received(id), 1)
	}
}

func TestAPanicFailsTheBatch(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	publish(t, b, invoices("a")...)
	c := subscribe(t, b, func(_ context.Context, batch []bus.Delivery) error {
		if batch[0].Attempt == 0 {
			panic("a bug")
		}
		return nil
	})
	c.waitFor(t, "a")
	require.Equal(t, []int{1}, c.received("a"))
}

func TestAClosedBusAcceptsNothing(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	publish(t, b, invoices("a")...)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Publish(t.Context(), invoices("b"))[0], bus.ErrUnavailable)
}
