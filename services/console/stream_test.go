package console_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/httpapi/streamtest"
	"troupe/services/console"
)

// streamedEntry is an entry as the stream sends it.
type streamedEntry struct {
	Seq     int64
	EventID string `json:"event_id"`
	Outcome string
}

func openStream(t *testing.T, h *servicetest.Harness, c *servicetest.Client, query, lastID string) *streamtest.Stream {
	t.Helper()
	return streamtest.Must(t, h.URL+"/console/api/stream"+query, c.Token(), lastID)
}

// handled returns the record of an attempt to handle an event that is about no order.
func handled(h *servicetest.Harness, service, id string, outcome journal.Outcome) journal.Record {
	return journal.Record{Kind: journal.Handled, At: h.Now(), Service: service, Instance: "host:1", Attempt: &journal.Attempt{
		EventID: id, Type: "user.registered.v1", N: 1, Outcome: outcome, ReceivedAt: h.Now(), StartedAt: h.Now(), FinishedAt: h.Now(),
	}}
}

func TestAStreamShowsWhatHappensAndContinuesAfterTheLastEntry(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		h.Journaled(t, handled(h, "orders", "before", journal.OK))
		stream := openStream(t, h, ada, "", "")
		stream.Next(t, "overview", nil)
		var e streamedEntry
		h.Journaled(t, handled(h, "orders", "first", journal.OK))
		stream.Next(t, "entry", &e)
		require.Equal(t, streamedEntry{2, "first", "ok"}, e, "what was there before is not sent")
		stream.Close()

		h.Journaled(t, handled(h, "orders", "away 1", journal.OK), handled(h, "orders", "away 2", journal.Retry))
		stream = openStream(t, h, ada, "", stream.LastID)
		stream.Next(t, "entry", &e)
		require.Equal(t, "away 1", e.EventID)
		stream.Next(t, "entry", &e)
		require.Equal(t, streamedEntry{4, "away 2", "retry"}, e)
		stream.Next(t, "overview", nil)
		h.Journaled(t, handled(h, "orders", "then", journal.OK))
		stream.Next(t, "entry", &e)
		require.Equal(t, "then", e.EventID)

		ada.With("Last-Event-ID", "nonsense").Get(t, "/console/api/stream").Problem(t, 422, "last_event_id_invalid")
		h.As("ann", auth.User).Get(t, "/console/api/stream").Problem(t, 403, "role_required")
	})
}

func TestAStreamOfAnEmptyJournalBeginsWithTheFirstEntry(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		stream := openStream(t, h, h.As("ada", auth.Admin), "", "")
		stream.Next(t, "overview", nil)
		records := make([]journal.Record, 250) // more than are sent at once
		for i := range records {
			records[i] = handled(h, "orders", fmt.Sprint(i+1), journal.OK)
		}
		h.Journaled(t, records...)
		var e streamedEntry
		for i := range records {
			stream.Next(t, "entry", &e)
			require.Equal(t, streamedEntry{int64(i + 1), fmt.Sprint(i + 1), "ok"}, e)
		}
	})
}

func TestAStreamShowsOnlyWhatIsAskedFor(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		stream := openStream(t, h, h.As("ada", auth.Admin), "?service=payments&outcome=retry", "")
		stream.Next(t, "overview", nil)
		h.Journaled(t, handled(h, "orders", "1", journal.Retry), handled(h, "payments", "2", journal.OK), handled(h, "payments", "3", journal.Retry))
		var e streamedEntry
		stream.Next(t, "entry", &e)
		require.Equal(t, "3", e.EventID)
	})
}

// A stream to a client that does not keep up must not grow without a bound, and what is left
// out must be seen.
func TestAClientThatIsTooFarBehindSeesAGap(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		records := make([]journal.Record, 5100)
		for n := range records {
			records[n] = handled(h, "orders", fmt.Sprint(n+1), journal.OK)
		}
		h.Journaled(t, records...)
		stream := openStream(t, h, h.As("ada", auth.Admin), "", "40")
		var gap struct{ Lost int64 }
		stream.Next(t, "gap", &gap)
		require.EqualValues(t, 60, gap.Lost)
		var e streamedEntry
		stream.Next(t, "entry", &e)
		require.EqualValues(t, 101, e.Seq)
	})
}

func TestAClientThatContinuesAfterDeletedEntriesSeesAGap(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Journaled(t, handled(h, "orders", "1", journal.OK), handled(h, "orders", "2", journal.OK), handled(h, "orders", "3", journal.OK))
		h.Advance(2 * time.Hour)
		h.Journaled(t, handled(h, "orders", "4", journal.OK))
		h.Step(t, "retention of the console")
		stream := openStream(t, h, h.As("ada", auth.Admin), "", "1")
		var gap struct{ Lost int64 }
		stream.Next(t, "gap", &gap)
		require.EqualValues(t, 2, gap.Lost)
		var e streamedEntry
		stream.Next(t, "entry", &e)
		require.Equal(t, "4", e.EventID)

		h.Advance(2 * time.Hour)
		h.Step(t, "retention of the console")
		stream = openStream(t, h, h.As("bea", auth.Admin), "", "3")
		stream.Next(t, "gap", &gap)
		require.EqualValues(t, 1, gap.Lost, "none is left")
	}, servicetest.Setting("CONSOLE_KEEP", "1h"))
}

func TestAStreamShowsTheOverviewAgainAndAgain(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		stream := openStream(t, h, h.As("ada", auth.Admin), "", "")
		stream.Next(t, "overview", nil)
		h.Journaled(t, created("o1", h.Now()))
		stream.Next(t, "entry", nil)
		h.Advance(3 * time.Second)
		var overview struct{ Orders int }
		stream.Next(t, "overview", &overview)
		require.Equal(t, 1, overview.Orders)
	})
}

func TestAStreamEndsWhenTheServiceStops(t *testing.T) {
	servicetest.Run(t, console.Service, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.Admin)
		stream := openStream(t, h, ada, "", "")
		stream.Next(t, "overview", nil)
		h.BeginStop(t)
		stream.Ends(t)
		ada.Get(t, "/console/api/stream").Problem(t, 503, "too_many_streams")
	})
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		ada := h.As("ada", auth.Admin)
		stream := openStream(t, h, ada, "", "")
		stream.Next(t, "overview", nil)
		u.set(func() { u.ended["Bearer "+ada.Token()] = true })
		h.Advance(16 * time.Second)
		require.Equal(t, "session_revoked", reasonOfEnd(t, stream))
		stream.Ends(t)
	})
}

func TestAStreamGoesOnWithoutUsersAsLongAsItsToken(t *testing.T) {
	withUsers(t, func(t *testing.T, h *servicetest.Harness, u *fakeUsers) {
		stream := openStream(t, h, h.As("ada", auth.Admin), "", "")
		stream.Next(t, "overview", nil)
		u.set(func() { u.away = true })
		h.Advance(9 * time.Minute)
		stream.Next(t, "overview", nil)
		h.Advance(time.Minute)
		require.Equal(t, "users_unavailable", reasonOfEnd(t, stream))
		stream.Ends(t)
	})
}

// reasonOfEnd returns why a stream ends, which may show another overview before.
func reasonOfEnd(t *testing.T, stream *streamtest.Stream) string {
	t.Helper()
	for range 10 {
		e, err := stream.Read()
		require.NoError(t, err)
		if e.Name == "end" {
			var end struct{ Reason string }
			require.NoError(t, json.Unmarshal([]byte(e.Data), &end))
			return end.Reason
		}
	}
	require.Fail(t, "the stream does not end")
	return ""
}
