package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/platform/telemetry"
)

// The console shows a trace by its order, whichever service recorded the span.
func TestTheJournalGetsTheSpansOfItsServices(t *testing.T) {
	t.Parallel()
	var got []journal.Record
	s := &System{journal: journal.New(journal.Config{Instance: "host:1", PerSecond: 1000, Now: time.Now})}
	s.services = []*runningService{{service: Service{Name: "orders"}}}
	s.journal.SendTo(func(records []journal.Record) error { got = append(got, records...); return nil })
	record := s.spanRecorder()
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	t.Cleanup(telemetry.OnEnd(func(span telemetry.EndingSpan) {
		if span.TraceID() == trace { // other tests run at the same time
			record(span)
		}
	}))
	end := func(service, name string, attributes map[string]string, failure string) {
		_, span := telemetry.ContinueSpans(t.Context(), service, telemetry.Internal, name, "00-"+trace+"-"+parent+"-01")
		for key, value := range attributes {
			span.Set(key, value)
		}
		if failure != "" {
			span.Fail("refused", failure)
		}
		span.End()
	}
	end("orders", "decide", map[string]string{"messaging.message.conversation_id": "o1"}, "no")
	end("orders", "process", map[string]string{"messaging.message.conversation_id": "u1", "cloudevents.event_type": "user.registered.v1"}, "")
	end("elsewhere", "process", nil, "")
	_, err := s.journal.Step(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 2, "that of a service of another system is left out")
	require.Equal(t, "o1", got[0].OrderID)
	require.Equal(t, "orders", got[0].Service)
	require.Equal(t, parent, got[0].Span.ParentID)
	require.Equal(t, "no", got[0].Span.Error)
	require.Empty(t, got[1].OrderID, "the event is about a user")
}
