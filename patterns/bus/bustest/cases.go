package bustest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
)

func everySubscriberReceivesACopy(t *testing.T, b Bus) {
	billing, archive, search := consume(t, b, "billing", nil), consume(t, b, "archive", nil), consume(t, b, "search", nil)
	publish(t, b, messages("invoice", "invoice.sent.v1", 3)...)
	publish(t, b, messages("receipt", "receipt.sent.v1", 1)...)
	publish(t, b, messages("last", "invoice.sent.v1", 1)...)
	publish(t, b, messages("query", "query.made.v1", 1)...)
	billing.waitFor(t, "invoice-00000", "invoice-00001", "invoice-00002", "receipt-00000", "last-00000")
	archive.waitFor(t, "invoice-00000", "invoice-00001", "invoice-00002", "last-00000")
	search.waitFor(t, "query-00000")
	require.Empty(t, archive.received("receipt-00000"))
	require.Empty(t, search.received("invoice-00000"))
	require.Empty(t, billing.received("query-00000"))
}

func aMessageArrivesUnchanged(t *testing.T, b Bus) {
	big := make([]byte, 256<<10)
	_, _ = rand.Read(big) // never fails
	sent := []bus.Message{
		{ID: "big", Type: "receipt.sent.v1", Body: big},
		{ID: "empty", Type: "receipt.sent.v1", Body: []byte{}},
		{ID: "ünï cödé", Type: "receipt.sent.v1", Body: []byte(`{"text":"größe"}`)},
	}
	publish(t, b, sent...)
	c := consume(t, b, "billing", nil)
	c.waitFor(t, idsOf(sent)...)
	for _, m := range sent {
		got := c.received(m.ID)[0]
		require.Equal(t, m.Type, got.Type)
		require.Equal(t, string(m.Body), string(got.Body))
		require.Zero(t, got.Attempt)
	}
}

func aMessagePublishedTwiceKeepsItsID(t *testing.T, b Bus) {
	m := messages("twice", "receipt.sent.v1", 1)
	publish(t, b, m...)
	publish(t, b, m...)
	publish(t, b, m[0], m[0])
	publish(t, b, messages("last", "receipt.sent.v1", 1)...)
	c := consume(t, b, "billing", nil)
	c.waitFor(t, "twice-00000", "last-00000")
	require.Equal(t, 2, c.count())
}

func messagesWaitForTheirConsumer(t *testing.T, b Bus) {
	early := messages("early", "invoice.sent.v1", 10)
	publish(t, b, early...)
	consume(t, b, "archive", nil).waitFor(t, idsOf(early)...)
	b = b.Crash(t)
	consume(t, b, "billing", nil).waitFor(t, idsOf(early)...)
}

func anErrorRedeliversTheBatch(t *testing.T, b Bus) {
	sent := messages("m", "receipt.sent.v1", 5)
	publish(t, b, sent...)
	var rejected []string
	c := consume(t, b, "billing", func(_ context.Context, batch []bus.Delivery) error {
		if rejected != nil {
			return nil
		}
		for _, d := range batch {
			rejected = append(rejected, d.ID)
		}
		return errors.New("rejected")
	})
	c.waitFor(t, idsOf(sent)...)
	for _, id := range rejected {
		require.Equal(t, 1, c.received(id)[0].Attempt, id)
	}
}

func noDeliveryWhileTheHandlerIsNotReady(t *testing.T, b Bus) {
	publish(t, b, messages("m", "receipt.sent.v1", 1)...)
	errDown := errors.New("database is down")
	calls, attempts := 0, make(chan int, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Subscribe(ctx, "billing", func(_ context.Context, batch []bus.Delivery) error {
			if len(batch) == 0 {
				calls++ // with an empty batch
			} else {
				attempts <- batch[0].Attempt
			}
			if calls < 3 {
				return errDown
			}
			return nil
		})
	}()
	require.Equal(t, 0, receive(t, attempts, "nothing was delivered"))
	require.Equal(t, 1, receive(t, attempts, "it was not delivered again"))
	cancel()
	require.NoError(t, receive(t, done, "Subscribe did not return"))
	require.Empty(t, attempts)
}

func aPoisonMessageDoesNotBlockOthers(t *testing.T, b Bus) {
	sent := messages("m", "receipt.sent.v1", 20)
	publish(t, b, sent...)
	c := consume(t, b, "billing", func(_ context.Context, batch []bus.Delivery) error {
		if slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.ID == "m-00007" && d.Attempt < 3 }) {
			return errors.New("poison")
		}
		return nil // from the third attempt on the handler parks it
	})
	c.waitFor(t, idsOf(sent)...)
	require.Equal(t, 3, c.received("m-00007")[0].Attempt)
}

func aCrashBeforeTheAckLosesNothing(t *testing.T, b Bus) {
	sent := messages("m", "receipt.sent.v1", 10)
	publish(t, b, sent...)
	handling, crashed := make(chan []bus.Delivery), make(chan struct{})
	consume(t, b, "billing", func(ctx context.Context, batch []bus.Delivery) error {
		select {
		case handling <- batch:
			<-crashed
		case <-crashed: // a session of the crashed process
		}
		return nil
	})
	batch := receive(t, handling, "nothing was delivered")
	next := b.Crash(t)
	close(crashed)
	c := consume(t, next, "billing", nil)
	c.waitFor(t, idsOf(sent)...)
	for _, d := range batch {
		require.Equal(t, 1, c.received(d.ID)[0].Attempt, d.ID)
	}
}

func everyCrashCountsAsAnAttempt(t *testing.T, b Bus) {
	publish(t, b, messages("poison", "receipt.sent.v1", 1)...)
	for attempt := range 4 {
		handling, crashed := make(chan bus.Delivery), make(chan struct{})
		consume(t, b, "billing", func(_ context.Context, batch []bus.Delivery) error {
			select {
			case handling <- batch[0]:
				<-crashed
			case <-crashed:
			}
			return nil
		})
		require.Equal(t, attempt, receive(t, handling, "nothing was delivered").Attempt)
		b = b.Crash(t)
		close(crashed)
	}
}

func aTypeWithoutConsumersIsAccepted(t *testing.T, b Bus) {
	publish(t, b, messages("audit", "audit.done.v1", 3)...)
}

func anUnknownTypeIsRejected(t *testing.T, b Bus) {
	requireOnlyOneRejected(t, b, messages("unknown", "unknown.type.v1", 1), bus.ErrUnknownType)
}

// requireOnlyOneRejected publishes one message between two good ones. It requires that
// only this one is rejected, for this reason, and that the others arrive.
func requireOnlyOneRejected(t *testing.T, b Bus, one []bus.Message, reason error) {
	t.Helper()
	errs := b.Publish(t.Context(), slices.Concat(messages("a", "receipt.sent.v1", 1), one, messages("b", "receipt.sent.v1", 1)))
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], reason)
	require.NoError(t, errs[2])
	consume(t, b, "billing", nil).waitFor(t, "a-00000", "b-00000")
}

func aMessageWithoutAQueueIsUnroutable(t *testing.T, b Bus) {
	b.DeleteQueue(t, "search")
	requireOnlyOneRejected(t, b, messages("query", "query.made.v1", 1), bus.ErrUnroutable)
}

func aMissingQueueOfOneConsumerIsUnroutable(t *testing.T, b Bus) {
	b.DeleteQueue(t, "archive")
	requireOnlyOneRejected(t, b, messages("invoice", "invoice.sent.v1", 1), bus.ErrUnroutable)
}

func messagesOfALargeBatchFailIndividually(t *testing.T, b Bus) {
	batch := messages("m", "invoice.sent.v1", 5000)
	var valid []string
	for i := range batch {
		if i%10 == 3 {
			batch[i].Type = "unknown.type.v1"
			continue
		}
		valid = append(valid, batch[i].ID)
	}
	errs := b.Publish(t.Context(), batch)
	require.Len(t, errs, len(batch))
	for i, err := range errs {
		if i%10 == 3 {
			require.ErrorIs(t, err, bus.ErrUnknownType)
			continue
		}
		require.NoError(t, err)
	}
	billing, archive := consume(t, b, "billing", nil), consume(t, b, "archive", nil)
	billing.waitFor(t, valid...)
	archive.waitFor(t, valid...)
	require.Equal(t, len(valid), billing.count())
}

func anEmptyBatchIsAccepted(t *testing.T, b Bus) { publish(t, b) }

func severalConsumersShareAQueue(t *testing.T, b Bus) {
	c := consume(t, b, "billing", nil)
	c.subscribe(t, b, "billing", nil)
	c.subscribe(t, b, "billing", nil)
	var sent []string
	for _, prefix := range []string{"a", "b", "c"} {
		batch := messages(prefix, "receipt.sent.v1", 300)
		publish(t, b, batch...)
		sent = append(sent, idsOf(batch)...)
	}
	c.waitFor(t, sent...)
	for _, id := range sent {
		require.Len(t, c.received(id), 1, id)
	}
}

func cancellationLetsTheHandlerFinish(t *testing.T, b Bus) {
	publish(t, b, messages("m", "receipt.sent.v1", 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var after error
	go func() {
		done <- b.Subscribe(ctx, "billing", func(ctx context.Context, _ []bus.Delivery) error {
			cancel()
			after = ctx.Err()
			return nil
		})
	}()
	require.NoError(t, receive(t, done, "Subscribe did not return"))
	require.NoError(t, after, "the handler's context ended too early")

	// The batch was acknowledged after the cancellation, so the next consumer receives
	// only later messages.
	c := consume(t, b, "billing", nil)
	publish(t, b, messages("later", "receipt.sent.v1", 1)...)
	c.waitFor(t, "later-00000")
	require.Empty(t, c.received("m-00000"))
}

func cancellationStopsAnIdleConsumerAtOnce(t *testing.T, b Bus) {
	c := consume(t, b, "billing", nil)
	publish(t, b, messages("m", "receipt.sent.v1", 1)...)
	c.waitFor(t, "m-00000")
	c.stop()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, b.Subscribe(ended, "billing", func(context.Context, []bus.Delivery) error { return nil }))
}

func aServiceWithoutAQueueCannotSubscribe(t *testing.T, b Bus) {
	err := b.Subscribe(t.Context(), "unknown", func(context.Context, []bus.Delivery) error { return nil })
	require.Error(t, err)
}

// Several events may be one message. A consumer that ends after it has handled some of them
// receives all of them again.
func aBatchIsAcknowledgedAsAWhole(t *testing.T, b Bus) {
	sent := slices.Concat(messages("i", "invoice.sent.v1", 60), messages("r", "receipt.sent.v1", 60))
	publish(t, b, sent...)
	half, crashed := make(chan []bus.Delivery), make(chan struct{})
	consume(t, b, "billing", func(_ context.Context, batch []bus.Delivery) error {
		select {
		case half <- batch:
			<-crashed
		case <-crashed:
		}
		return nil
	})
	taken := receive(t, half, "nothing was delivered")
	next := b.Crash(t)
	close(crashed)
	c := consume(t, next, "billing", nil)
	c.waitFor(t, idsOf(sent)...)
	for _, d := range taken {
		require.Equal(t, 1, c.received(d.ID)[0].Attempt, d.ID)
	}
	for _, m := range sent {
		got := c.received(m.ID)[0]
		require.Equal(t, m.Type, got.Type)
		require.Equal(t, string(m.Body), string(got.Body))
	}
}
