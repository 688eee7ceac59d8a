package notifications_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/platform/telemetry"
	"troupe/test/pushservice"
)

// The mail and the push are the end of the order's trace. Nothing in it shows who the
// customer is.
func TestAMailAndAPushArePartOfTheOrdersTrace(t *testing.T) {
	var mu sync.Mutex
	byTrace := map[string][]telemetry.Ended{}
	t.Cleanup(telemetry.OnEnd(func(span telemetry.EndingSpan) {
		e := span.Describe()
		mu.Lock()
		defer mu.Unlock()
		byTrace[e.TraceID] = append(byTrace[e.TraceID], e)
	}))
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		subscribed(t, h, p, ada)
		h.Consumes(t, registered(ada, "Ada", "ada@example.test", "de"), created)
		trace := strings.ReplaceAll(uuid.NewString(), "-", "")
		h.ConsumesInTrace(t, "00-"+trace+"-00f067aa0ba902b7-01", paid)

		mu.Lock()
		spans := byTrace[trace]
		mu.Unlock()
		names := map[string]int{}
		ids := map[string]bool{"00f067aa0ba902b7": true}
		for _, s := range spans {
			names[s.Name]++
			ids[s.SpanID] = true
		}
		require.Equal(t, 1, names["process notifications.events.v1"])
		require.Equal(t, 1, names["send mail"])
		require.Equal(t, 1, names["send push"])
		for _, s := range spans {
			require.True(t, ids[s.ParentID], "%s has a parent", s.Name)
			for key, value := range s.Attributes {
				require.NotContains(t, value, "ada@example.test", key)
			}
			if strings.HasPrefix(s.Name, "send ") && s.Name != "send troupe.events" {
				require.Equal(t, orderID, s.Attributes["messaging.message.conversation_id"])
				require.Equal(t, "sent", s.Attributes["troupe.notification.state"], s.Name)
			}
		}
	})
}
