package bus_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
)

func TestAPacedConsumerBeginsBatchesAnIntervalApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, handled := time.Now(), []time.Duration{}
		consume := bus.Paced(func(context.Context, []bus.Delivery) error {
			handled = append(handled, time.Since(began))
			return nil
		}, 100*time.Millisecond)

		require.NoError(t, consume(t.Context(), make([]bus.Delivery, 3)))
		<-time.After(30 * time.Millisecond)
		require.NoError(t, consume(t.Context(), make([]bus.Delivery, 3)))
		require.NoError(t, consume(t.Context(), nil), "whether the handler is ready")
		require.NoError(t, consume(t.Context(), make([]bus.Delivery, 200)), "a large batch")
		<-time.After(time.Second)
		require.NoError(t, consume(t.Context(), make([]bus.Delivery, 1)), "after a quiet time")

		require.Equal(t, []time.Duration{
			0, 100 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond, 1100 * time.Millisecond,
		}, handled)
	})
}

func TestAPacedConsumerDoesNotOutlastItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		consume := bus.Paced(func(ctx context.Context, _ []bus.Delivery) error { return ctx.Err() }, time.Minute)
		require.NoError(t, consume(ctx, make([]bus.Delivery, 1)))
		_ = consume(ctx, make([]bus.Delivery, 1)) // whether it is over in time is what counts
		require.LessOrEqual(t, time.Since(began), 50*time.Millisecond)
	})
}
