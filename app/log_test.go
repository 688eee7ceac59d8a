package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/event"
	"troupe/platform/telemetry"
)

// An operator who searches the logs for an order or an event finds what its handlers wrote.
func TestALineOfAHandlerNamesItsEventAndItsOrder(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.Logger(&out, slog.LevelInfo, telemetry.JSON, eventOf)
	line := func(e *event.Envelope) map[string]any {
		out.Reset()
		log.InfoContext(event.WithCause(t.Context(), e), "hello")
		var line map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &line))
		return line
	}
	require.Subset(t, line(&event.Envelope{ID: "e1", Type: "stock.reserved.v1", CorrelationID: "o1"}),
		map[string]any{"event_id": "e1", "event_type": "stock.reserved.v1", "order_id": "o1"})
	about := line(&event.Envelope{ID: "e2", Type: "user.registered.v1", CorrelationID: "u1"})
	require.Equal(t, "e2", about["event_id"])
	require.NotContains(t, about, "order_id", "it is about a user")
}
