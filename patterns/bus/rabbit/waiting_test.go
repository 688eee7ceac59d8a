package rabbit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// What a slow consumer has received already waits as well: RabbitMQ sends it hundreds of
// messages in advance, which it no longer counts as those of the queue.
func TestTheMessagesThatWaitForAServiceAreCounted(t *testing.T) {
	t.Parallel()
	b := open(t, rabbittest.URL(t), topology)
	_, err := b.Waiting(t.Context(), "billing")
	require.ErrorContains(t, err, "no connection to RabbitMQ that consumes this queue")

	goOn := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Subscribe(ctx, "billing", func(ctx context.Context, _ []bus.Delivery) error {
			select {
			case <-goOn:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	awaitWaiting := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			n, err := b.Waiting(t.Context(), "billing")
			return err == nil && n == want
		}, timeout, tick)
	}
	awaitWaiting(0)
	publish(t, b, invoices(numbered(0, 1000)...)...)
	awaitWaiting(1000)
	close(goOn)
	awaitWaiting(0)
	cancel()
	require.NoError(t, <-done)
	_, err = b.Waiting(t.Context(), "billing")
	require.Error(t, err)
}
