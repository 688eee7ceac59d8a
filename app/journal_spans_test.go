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
	record(telemetry.Ended{Service: "orders", TraceID: "t", SpanID: "s", ParentID: "p", Name: "decide", Kind: "internal", Error: "no", Attributes: map[string]string{"messaging.message.conversation_id": "o1"}})
	record(telemetry.Ended{Service: "orders", TraceID: "t", SpanID: "u", Name: "process", Attributes: map[string]string{
		"messaging.message.conversation_id": "u1", "cloudevents.event_type": "user.registered.v1",
	}})
	record(telemetry.Ended{Service: "elsewhere", TraceID: "t", SpanID: "v"})
	_, err := s.journal.Step(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 2, "that of a service of another system is left out")
	require.Equal(t, "o1", got[0].OrderID)
	require.Equal(t, "orders", got[0].Service)
	require.Equal(t, "p", got[0].Span.ParentID)
	require.Equal(t, "no", got[0].Span.Error)
	require.Empty(t, got[1].OrderID, "the event is about a user")
}
