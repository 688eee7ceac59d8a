package inbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// A replica of version 0.1 reads no batches: it parks one as a dead letter. A replay, by this
// version, handles each of its events.
func TestAParkedBatchIsReplayedEventByEvent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *harness) {
		h.failing["b"] = errInvalid
		batch := h.deliveries(t, orderPlaced{"a"}, orderPlaced{"b"}, orderPlaced{"c"}, orderPlaced{"d"})
		h.consume(t, batch[2]) // it came by itself, too
		bodies := [][]byte{batch[0].Body, batch[1].Body, batch[2].Body, []byte("{}"), batch[3].Body}
		h.consume(t, bus.Delivery{Message: bus.Message{Type: batch[0].Type, Body: event.Join(bodies)}})
		require.Equal(t, []string{"order.placed.v1 dead 1"}, h.parked(t))

		dead, err := h.ParkedEvents(t.Context(), "dead", 1)
		require.NoError(t, err)
		require.NoError(t, h.Replay(t.Context(), h.db, dead[0].EventID))
		h.step(t, 1)
		require.Len(t, h.parked(t), 4, "each event by itself, but not the one that was handled")
		h.step(t, 4)
		h.requireStored(t, "a", "c", "d")
		require.ElementsMatch(t, []string{"order.placed.v1 retry 1", "order.placed.v1 dead 1"}, h.parked(t))
	})
}
