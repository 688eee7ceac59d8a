package password

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

func TestAFullQueueFailsAtOnceAndLeavesTheOtherOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(Insecure, 1, func() {})
		require.NoError(t, h.slots.acquire(t.Context(), SignIns)) // a hash is being computed
		var waiting sync.WaitGroup
		hash := func(ctx context.Context, q Queue, n int) <-chan error {
			errs := make(chan error, n)
			for range n {
				waiting.Go(func() {
					_, err := h.Hash(ctx, q, "pass")
					errs <- err
				})
			}
			synctest.Wait()
			return errs
		}
		ctx, cancel := context.WithCancel(t.Context())
		registering := hash(ctx, Registrations, queuePerSlot+1)
		require.Len(t, registering, 1, "one too many")
		refused := <-registering
		require.True(t, fault.Is(refused, fault.Unavailable))
		require.ErrorIs(t, refused, errQueueFull)
		signingIn := hash(t.Context(), SignIns, queuePerSlot)
		require.Empty(t, signingIn, "sign-ins have a queue of their own")

		cancel()
		synctest.Wait()
		require.Len(t, registering, queuePerSlot, "callers who have gone leave the queue")
		for range queuePerSlot {
			require.True(t, fault.Is(<-registering, fault.Unavailable))
		}
		h.slots.release()
		waiting.Wait()
		for range queuePerSlot {
			require.NoError(t, <-signingIn)
		}
		require.Equal(t, 1, h.slots.free, "no slot is lost")
	})
}

func TestQueuesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		require.NoError(t, s.acquire(t.Context(), SignIns))
		var order []Queue
		var all sync.WaitGroup
		for _, q := range []Queue{Registrations, Registrations, Registrations, SignIns, SignIns} {
			all.Go(func() {
				if s.acquire(t.Context(), q) == nil {
					order = append(order, q)
					s.release()
				}
			})
			synctest.Wait()
		}
		s.release()
		all.Wait()
		require.Equal(t, []Queue{SignIns, Registrations, SignIns, Registrations, Registrations}, order)
	})
}
