package journal_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
)

func traces(records []journal.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.Span.TraceID)
	}
	return ids
}

func TestRecordsThatAreKeptAreReadOnceAndInTheirOrder(t *testing.T) {
	t.Parallel()
	var k journal.Kept
	add := func(id string) { require.NoError(t, k.Add([]journal.Record{{Span: &journal.Span{TraceID: id}}})) }
	add("a")
	add("b")
	records, last := k.After(0)
	require.Equal(t, []string{"a", "b"}, traces(records))
	add("c")
	records, last = k.After(last)
	require.Equal(t, []string{"c"}, traces(records))
	records, last = k.After(last)
	require.Empty(t, records)
	require.EqualValues(t, 3, last)
}

func TestTheNewestRecordsAreKept(t *testing.T) {
	t.Parallel()
	var k journal.Kept
	for n := range 5000 {
		require.NoError(t, k.Add([]journal.Record{{Span: &journal.Span{TraceID: fmt.Sprint(n)}}}))
	}
	records, last := k.After(10)
	require.Len(t, records, 1500)
	require.Equal(t, "3500", records[0].Span.TraceID, "who asks late misses the oldest")
	require.EqualValues(t, 5000, last)
	records, _ = k.After(9000)
	require.Empty(t, records)
}
