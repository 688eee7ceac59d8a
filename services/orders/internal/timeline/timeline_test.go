package timeline

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Any timeline is read as it was written, no matter which of its entries are stored already.
func TestATimelineIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	id := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string {
		return uuid.UUID(b).String()
	}))
	rapid.Check(t, func(t *rapid.T) {
		var line Timeline
		var want []Entry
		for range rapid.IntRange(0, 12).Draw(t, "entries") {
			e := Entry{
				EventID: id.Draw(t, "id"), At: time.UnixMicro(rapid.Int64().Draw(t, "at")).UTC(), Type: rapid.String().Draw(t, "type"),
				By: rapid.String().Draw(t, "by"), Detail: rapid.String().Draw(t, "detail"), Cause: id.Draw(t, "cause"),
			}
			if line.Has(e.EventID) {
				continue
			}
			if len(want) > 0 && rapid.Bool().Draw(t, "caused by an entry") {
				e.Cause = want[rapid.IntRange(0, len(want)-1).Draw(t, "which")].EventID
			}
			line.Add(e)
			want = append(want, e)
			require.True(t, line.Has(e.EventID))
			if rapid.Bool().Draw(t, "stored") {
				line = Stored(line.text)
			}
		}
		got, err := line.Entries()
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestOnlyNewEntriesAreAdded(t *testing.T) {
	t.Parallel()
	var line Timeline
	line.Add(Entry{EventID: "a"})
	stored := line.Added()
	line = Stored(stored)
	require.Empty(t, line.Added())
	line.Add(Entry{EventID: "b", Cause: "a"})
	require.NotContains(t, line.Added(), "=a")
	entries, err := Stored(line.Added() + stored).Entries()
	require.NoError(t, err)
	require.Equal(t, "a", entries[1].Cause)
}

func TestAnEntryIsShort(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var line Timeline
	created, reserved := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	line.Add(Entry{EventID: created, At: at, Type: "order.created.v1", By: "customer", Detail: "Order placed: 2 items, 7.00 EUR"})
	before := len(line.text)
	line.Add(Entry{EventID: reserved, At: at, Type: "stock.reserved.v1", By: "inventory", Cause: created, Detail: "Stock reserved: 2 items"})
	require.Less(t, len(line.text)-before, 100)
}

func TestABrokenTimelineIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\nx", "\na\t1\tt\tb\t^1\td", "\na\t!\tt\tb\t\td", "\n!\t1\tt\tb\t\td", "\nAAAA\t1\tt\tb\t\td"} {
		_, err := Stored(text).Entries()
		require.Error(t, err, text)
	}
}
