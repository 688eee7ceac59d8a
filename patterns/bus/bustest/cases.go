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

func eachSubscriberHearsItAndNobodyElse(t *testing.T, b Bus) {
	house, archive, fairy := listen(t, b, "house", nil), listen(t, b, "archive", nil), listen(t, b, "fairy", nil)
	publish(t, b, messages("letter", "letter.sent.v1", 3)...)
	publish(t, b, messages("parcel", "parcel.sent.v1", 1)...)
	publish(t, b, messages("last", "letter.sent.v1", 1)...)
	publish(t, b, messages("wish", "wish.made.v1", 1)...)
	house.waits(t, "letter-00000", "letter-00001", "letter-00002", "parcel-00000", "last-00000")
	archive.waits(t, "letter-00000", "letter-00001", "letter-00002", "last-00000")
	fairy.waits(t, "wish-00000")
	require.Empty(t, archive.of("parcel-00000"))
	require.Empty(t, fairy.of("letter-00000"))
	require.Empty(t, house.of("wish-00000"))
}

func aMessageArrivesAsItWasSent(t *testing.T, b Bus) {
	big := make([]byte, 256<<10)
	_, _ = rand.Read(big) // never fails
	sent := []bus.Message{
		{ID: "big", Type: "parcel.sent.v1", Body: big},
		{ID: "empty", Type: "parcel.sent.v1", Body: []byte{}},
		{ID: "ünï cödé", Type: "parcel.sent.v1", Body: []byte(`{"text":"größe"}`)},
	}
	publish(t, b, sent...)
	h := listen(t, b, "house", nil)
	h.waits(t, idsOf(sent)...)
	for _, m := range sent {
		got := h.of(m.ID)[0]
		require.Equal(t, m.Type, got.Type)
		require.Equal(t, string(m.Body), string(got.Body))
		require.Zero(t, got.Attempt)
	}
}

func oneSentTwiceHasTheSameID(t *testing.T, b Bus) {
	m := messages("twice", "parcel.sent.v1", 1)
	publish(t, b, m...)
	publish(t, b, m...)
	publish(t, b, m[0], m[0])
	publish(t, b, messages("last", "parcel.sent.v1", 1)...)
	h := listen(t, b, "house", nil)
	h.waits(t, "twice-00000", "last-00000")
	require.Equal(t, 2, h.count())
}

func whatIsSaidBeforeAnybodyListensIsKept(t *testing.T, b Bus) {
	early := messages("early", "letter.sent.v1", 10)
	publish(t, b, early...)
	listen(t, b, "archive", nil).waits(t, idsOf(early)...)
	b = b.Crash(t)
	listen(t, b, "house", nil).waits(t, idsOf(early)...)
}

func anErrorGivesTheBatchBack(t *testing.T, b Bus) {
	sent := messages("m", "parcel.sent.v1", 5)
	publish(t, b, sent...)
	var refused []string
	h := listen(t, b, "house", func(_ context.Context, batch []bus.Delivery) error {
		if refused != nil {
			return nil
		}
		for _, d := range batch {
			refused = append(refused, d.ID)
		}
		return errors.New("not now")
	})
	h.waits(t, idsOf(sent)...)
	for _, id := range refused {
		require.Equal(t, 1, h.of(id)[0].Attempt, id)
	}
}

func afterAnErrorNothingIsHandedOutInVain(t *testing.T, b Bus) {
	publish(t, b, messages("m", "parcel.sent.v1", 1)...)
	down := errors.New("database is down")
	asked, attempts := 0, make(chan int, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Subscribe(ctx, "house", func(_ context.Context, batch []bus.Delivery) error {
			if len(batch) == 0 {
				asked++
			} else {
				attempts <- batch[0].Attempt
			}
			if asked < 3 {
				return down
			}
			return nil
		})
	}()
	require.Equal(t, 0, receive(t, attempts, "nothing was handed out"))
	require.Equal(t, 1, receive(t, attempts, "it was not handed out again"))
	cancel()
	require.NoError(t, receive(t, done, "Subscribe did not return"))
	require.Empty(t, attempts)
}

func aPoisonousMessageDoesNotStopItsNeighbours(t *testing.T, b Bus) {
	sent := messages("m", "parcel.sent.v1", 20)
	publish(t, b, sent...)
	h := listen(t, b, "house", func(_ context.Context, batch []bus.Delivery) error {
		if slices.ContainsFunc(batch, func(d bus.Delivery) bool { return d.ID == "m-00007" && d.Attempt < 3 }) {
			return errors.New("poison")
		}
		return nil // from the third attempt on the consumer puts it aside
	})
	h.waits(t, idsOf(sent)...)
	require.Equal(t, 3, h.of("m-00007")[0].Attempt)
}

func aCrashBeforeTheAcknowledgementLosesNothing(t *testing.T, b Bus) {
	sent := messages("m", "parcel.sent.v1", 10)
	publish(t, b, sent...)
	committed, crashed := make(chan []bus.Delivery), make(chan struct{})
	listen(t, b, "house", func(ctx context.Context, batch []bus.Delivery) error {
		select {
		case committed <- batch:
			<-crashed
		case <-crashed: // a session of the dead process
		}
		return nil
	})
	batch := receive(t, committed, "nothing was handed out")
	next := b.Crash(t)
	close(crashed)
	h := listen(t, next, "house", nil)
	h.waits(t, idsOf(sent)...)
	for _, d := range batch {
		require.Equal(t, 1, h.of(d.ID)[0].Attempt, d.ID)
	}
}

func aCrashLoopIsCounted(t *testing.T, b Bus) {
	publish(t, b, messages("bomb", "parcel.sent.v1", 1)...)
	for attempt := range 4 {
		handed, crashed := make(chan bus.Delivery), make(chan struct{})
		listen(t, b, "house", func(_ context.Context, batch []bus.Delivery) error {
			select {
			case handed <- batch[0]:
				<-crashed
			case <-crashed:
			}
			return nil
		})
		require.Equal(t, attempt, receive(t, handed, "nothing was handed out").Attempt)
		b = b.Crash(t)
		close(crashed)
	}
}

func whatNobodyHearsIsTaken(t *testing.T, b Bus) {
	publish(t, b, messages("rumour", "rumour.spread.v1", 3)...)
}

func anUnknownTypeIsRefused(t *testing.T, b Bus) {
	isRefusedAlone(t, b, messages("dragon", "dragon.came.v1", 1), bus.ErrUnknownType)
}

// isRefusedAlone demands that of a batch only the one message is refused, for this
// reason, and that its neighbours arrive.
func isRefusedAlone(t *testing.T, b Bus, one []bus.Message, reason error) {
	t.Helper()
	errs := b.Publish(t.Context(), slices.Concat(messages("a", "parcel.sent.v1", 1), one, messages("b", "parcel.sent.v1", 1)))
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], reason)
	require.NoError(t, errs[2])
	listen(t, b, "house", nil).waits(t, "a-00000", "b-00000")
}

func whatNoQueueTakesIsUnroutable(t *testing.T, b Bus) {
	b.Lose(t, "fairy")
	isRefusedAlone(t, b, messages("wish", "wish.made.v1", 1), bus.ErrUnroutable)
}

func whatOneOfItsHearersWouldMissIsUnroutable(t *testing.T, b Bus) {
	b.Lose(t, "archive")
	isRefusedAlone(t, b, messages("letter", "letter.sent.v1", 1), bus.ErrUnroutable)
}

func thousandsInOneCallFailOneByOne(t *testing.T, b Bus) {
	batch := messages("m", "letter.sent.v1", 5000)
	var sound []string
	for i := range batch {
		if i%10 == 3 {
			batch[i].Type = "dragon.came.v1"
			continue
		}
		sound = append(sound, batch[i].ID)
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
	house, archive := listen(t, b, "house", nil), listen(t, b, "archive", nil)
	house.waits(t, sound...)
	archive.waits(t, sound...)
	require.Equal(t, len(sound), house.count())
}

func anEmptyBatchIsFine(t *testing.T, b Bus) { publish(t, b) }

func severalConsumersShareAQueue(t *testing.T, b Bus) {
	h := listen(t, b, "house", nil)
	h.subscribe(t, b, "house", nil)
	h.subscribe(t, b, "house", nil)
	var sent []string
	for _, prefix := range []string{"a", "b", "c"} {
		batch := messages(prefix, "parcel.sent.v1", 300)
		publish(t, b, batch...)
		sent = append(sent, idsOf(batch)...)
	}
	h.waits(t, sent...)
	for _, id := range sent {
		require.Len(t, h.of(id), 1, id)
	}
}

func theEndLetsTheHandlerFinish(t *testing.T, b Bus) {
	publish(t, b, messages("m", "parcel.sent.v1", 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var after error
	go func() {
		done <- b.Subscribe(ctx, "house", func(ctx context.Context, _ []bus.Delivery) error {
			cancel()
			after = ctx.Err()
			return nil
		})
	}()
	require.NoError(t, receive(t, done, "Subscribe did not return"))
	require.NoError(t, after, "the handler's context ended too early")

	// The batch was acknowledged after the end, so the next consumer hears only
	// what comes later.
	h := listen(t, b, "house", nil)
	publish(t, b, messages("later", "parcel.sent.v1", 1)...)
	h.waits(t, "later-00000")
	require.Empty(t, h.of("m-00000"))
}

func theEndComesAtOnceForAnIdleConsumer(t *testing.T, b Bus) {
	h := listen(t, b, "house", nil)
	publish(t, b, messages("m", "parcel.sent.v1", 1)...)
	h.waits(t, "m-00000")
	h.stop()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, b.Subscribe(ended, "house", func(context.Context, []bus.Delivery) error { return nil }))
}

func aServiceWithoutAQueueCanNotSubscribe(t *testing.T, b Bus) {
	err := b.Subscribe(t.Context(), "nobody", func(context.Context, []bus.Delivery) error { return nil })
	require.Error(t, err)
}
