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

// A client that revives its channel after a loss counts deliveries from 1 again,
// so that the late acknowledgement of a batch from before the loss hits messages
// that nobody has handled.
func TestALateAcknowledgementHitsNoOtherMessage(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	proxy := rabbittest.NewProxy(t, url)
	c, log := config(t, proxy.URL, topology), &diary{}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	other := open(t, url, topology)

	took, committed := make(chan struct{}), make(chan struct{})
	first := listen(t, b, func(context.Context, []bus.Delivery) error {
		took <- struct{}{}
		<-committed // a slow transaction
		return nil
	})
	publish(t, other, letters("A", "B", "C")...)
	<-took
	proxy.Cut()
	publish(t, other, letters("D", "E", "F")...)
	died := make(chan struct{})
	listen(t, b, func(context.Context, []bus.Delivery) error { // on a new session, with tags from 1
		<-died
		return errors.New("died")
	})
	holds(t, url, queue, 0)

	close(committed)
	first.waits(t, "A", "B", "C")
	log.waits(t, "acknowledge a batch: Exception (504)")
	proxy.Down()
	close(died)
	holds(t, url, queue, 6)
	listen(t, other, nil).waits(t, "A", "B", "C", "D", "E", "F")
}

func TestNothingIsLostWhileTheNetworkComesAndGoes(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, shared)
	house, archive := listen(t, b, nil), listenAs(t, b, "archive", nil)
	ids := numbered(0, 2000)
	for n, part := range slices.Collect(slices.Chunk(ids, 100)) {
		var cutting sync.WaitGroup
		if n%3 == 0 {
			cutting.Go(proxy.Cut)
		}
		batch := letters(part...)
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
		}, patience, tick)
		cutting.Wait()
	}
	house.waits(t, ids...)
	archive.waits(t, ids...)
}

// The broker returns a message only if no queue at all takes it, so what several
// hear is the case in which a loss could go unnoticed.
func TestAnEventIsTakenOnlyWhenEveryHearersQueueHasIt(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*testing.T, *amqp.Channel){
		"a queue is deleted": func(t *testing.T, ch *amqp.Channel) {
			_, err := ch.QueueDelete("archive.events.v1", false, false, false)
			require.NoError(t, err)
		},
		"a binding is removed": func(t *testing.T, ch *amqp.Channel) {
			require.NoError(t, ch.QueueUnbind("archive.events.v1", "letter.sent.v1.archive", "troupe.events", nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := rabbittest.URL(t)
			b := open(t, url, shared)
			publish(t, b, letters("before")...)
			onChannel(t, url, func(ch *amqp.Channel) { lose(t, ch) })

			batch := []bus.Message{
				{ID: "parcel", Type: "parcel.sent.v1"},
				{ID: "letter", Type: "letter.sent.v1"},
				{ID: "rumour", Type: "rumour.spread.v1"},
			}
			errs := b.Publish(t.Context(), batch)
			require.NoError(t, errs[0], "one hears it")
			require.ErrorIs(t, errs[1], bus.ErrUnroutable)
			require.ErrorContains(t, errs[1], "letter.sent.v1.archive")
			require.NoError(t, errs[2], "nobody hears it")

			publish(t, b, batch[1]) // as the outbox does; by a new session, which declared what was missing
			listenAs(t, b, "archive", nil).waits(t, "letter")
			house := listen(t, b, nil)
			house.waits(t, "before", "parcel", "letter")
			holds(t, url, queue, 0)
			require.Len(t, house.heard("letter"), 2) // the inbox drops one
		})
	}
}

func TestEveryCopyOfThousandsIsCounted(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, bus.Topology{"letter.sent.v1": {"house", "archive", "fairy"}})
	publish(t, b, letters(numbered(0, 1500)...)...)
	for _, service := range []string{"house", "archive", "fairy"} {
		holds(t, url, service+".events.v1", 1500)
	}
	for _, service := range []string{"archive", "fairy"} {
		deleteQueue(t, url, service+".events.v1")
	}
	for _, err := range b.Publish(t.Context(), letters(numbered(0, 300)...)) {
		require.ErrorIs(t, err, bus.ErrUnroutable)
	}
}

// As many as the client may have under way come back, and none is overlooked.
func TestAThousandReturnsAreAllSeen(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	publish(t, b, letters("before")...)
	deleteQueue(t, url, queue)
	for _, err := range b.Publish(t.Context(), letters(numbered(0, 1000)...)) {
		require.ErrorIs(t, err, bus.ErrUnroutable)
	}
}

// Earlier versions bound queues with the type alone, and published under it.
func TestWhatAnEarlierVersionBoundAndSaysComesOnce(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	onChannel(t, url, func(ch *amqp.Channel) {
		require.NoError(t, ch.QueueBind(queue, "letter.sent.v1", "troupe.events", false, nil))
		publish(t, b, letters("new")...)
		old := amqp.Publishing{MessageId: "old", Type: "letter.sent.v1"}
		require.NoError(t, ch.Publish("troupe.events", "letter.sent.v1", true, false, old))
	})
	holds(t, url, queue, 2)
	listen(t, b, nil).waits(t, "new", "old")
}

func TestAQueueThatIsDeletedIsDeclaredAnew(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	b.SetIdle(time.Second)
	h := listen(t, b, nil)
	publish(t, b, letters("before")...)
	h.waits(t, "before")
	deleteQueue(t, url, queue)
	require.Eventually(t, func() bool {
		return b.Publish(t.Context(), letters("after"))[0] == nil
	}, patience, tick)
	h.waits(t, "after")

	h.end()
	deleteQueue(t, url, queue)
	require.ErrorIs(t, b.Publish(t.Context(), letters("lost"))[0], bus.ErrUnroutable)
	publish(t, b, letters("again")...) // by a new session, which declared it
	listen(t, b, nil).waits(t, "again")
}

func TestAnExchangeThatIsDeletedIsDeclaredAnew(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	publish(t, b, letters("before")...)
	onChannel(t, url, func(ch *amqp.Channel) { require.NoError(t, ch.ExchangeDelete("troupe.events", false, false)) })
	for _, err := range b.Publish(t.Context(), letters("a", "b")) {
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorContains(t, err, "no exchange")
	}
	publish(t, b, letters("after")...)
	listen(t, b, nil).waits(t, "before", "after")
}

func TestNobodyIsToBlameForABrokerThatIsAway(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	publish(t, b, letters("before")...)
	proxy.Down()
	for range 2 { // the loss of a session, and the want of one
		errs := b.Publish(t.Context(), letters(numbered(0, 1200)...))
		require.Len(t, errs, 1200)
		for _, err := range errs {
			require.ErrorIs(t, err, bus.ErrUnavailable)
		}
	}
	proxy.Restore(t)
	publish(t, b, letters("after")...)
}

func TestABrokerThatStopsReadingHoldsNobodyForLong(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	publish(t, b, letters("before")...)
	proxy.Stall()

	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Publish(soon, letters("impatient"))[0], context.DeadlineExceeded)

	proxy.Resume()
	publish(t, b, letters("between")...)
	proxy.Stall()
	batch := letters(numbered(0, 600)...)
	for i := range batch {
		batch[i].Body = make([]byte, 64<<10) // more than the network takes in
	}
	began := time.Now()
	for _, err := range b.Publish(t.Context(), batch) {
		require.ErrorIs(t, err, bus.ErrUnavailable)
		require.ErrorContains(t, err, "did not confirm within 10s")
	}
	require.Less(t, time.Since(began), 20*time.Second)
	proxy.Resume()
	publish(t, b, letters("after")...)
	listen(t, b, nil).waits(t, "before", "between", "after")
}

func TestTheEndDoesNotWaitForABrokerThatStopsReading(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	b := open(t, proxy.URL, topology)
	h := listen(t, b, nil)
	publish(t, b, letters("before")...)
	h.waits(t, "before")
	proxy.Stall()
	began := time.Now()
	h.end()
	require.NoError(t, b.Close())
	require.Less(t, time.Since(began), 18*time.Second) // 6 s, on a machine with nothing else to do
}

func TestAGracefulEndGivesNothingBack(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	b := open(t, url, topology)
	ids := numbered(0, 3000)
	publish(t, b, letters(ids...)...)
	taken, ending := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h := listen(t, b, func(context.Context, []bus.Delivery) error {
		once.Do(func() { close(taken); <-ending })
		return nil
	})
	<-taken
	time.AfterFunc(50*time.Millisecond, func() { close(ending) })
	h.end()
	next := listen(t, open(t, url, topology), nil)
	for _, id := range ids {
		require.Eventually(t, func() bool { return len(h.heard(id))+len(next.heard(id)) == 1 }, patience, tick)
		require.Equal(t, []int{0}, append(h.heard(id), next.heard(id)...))
	}
}

func TestOneThatIsTooBigHarmsNoOther(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	batch := letters("a", strings.Repeat("i", 256), "b", "big", "c")
	batch[3].Body = make([]byte, 16<<20+1)
	errs := b.Publish(t.Context(), batch)
	require.ErrorContains(t, errs[1], "more than 255")
	require.ErrorContains(t, errs[3], "more than 16777216 bytes")
	require.NoError(t, errors.Join(errs[0], errs[2], errs[4]))
	listen(t, b, nil).waits(t, "a", "b", "c")
}

func TestAnIdleConsumerStartsOverAndMissesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	b.SetIdle(time.Millisecond)
	h := listen(t, b, nil)
	ids := numbered(0, 300)
	for _, id := range ids {
		publish(t, b, letters(id)...)
	}
	h.waits(t, ids...)
	for _, id := range ids {
		require.Len(t, h.heard(id), 1)
	}
}

func TestAPanicIsAnErrorOfTheBatch(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	publish(t, b, letters("a")...)
	h := listen(t, b, func(_ context.Context, batch []bus.Delivery) error {
		if batch[0].Attempt == 0 {
			panic("a bug")
		}
		return nil
	})
	h.waits(t, "a")
	require.Equal(t, []int{1}, h.heard("a"))
}

func TestAClosedBusTakesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	publish(t, b, letters("a")...)
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Publish(t.Context(), letters("b"))[0], bus.ErrUnavailable)
}
