package test

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

// The budgets of what journal and console cost an order. A calm system records everything about
// every order: of the measured 31 rows most are entries, and of 47 records the others are spans of
// some orders, more if the orders take longer. Under load, what a process records in a second is limited, so a slow machine
// records more of an order: 7 rows were measured on a busy one.
const (
	mostRecordsCalm     = 90
	mostConsoleRowsCalm = 40
	mostConsoleRowsLoad = 30                 // all processes together record 700 a second, so that is for 23 orders a second
	mostWALRecordsLoad  = 2 * mostWALRecords // all services run, so fewer orders are written together than in a backlog
)

// What the console writes must not grow without a sign: each record of an order is a row, and each
// batch of records writes the lines of its orders again.
func TestTheConsoleWritesLittleForAnOrder(t *testing.T) {
	t.Parallel()
	s, surge := startCounted(t)
	require.NoError(t, s.Stop()) // each session reports what it has written by its end
	before, err := s.servers.Written(t.Context(), "console")
	require.NoError(t, err)
	// measure returns what was written and recorded for each of n orders.
	measure := func(n, clients int) (cluster.Written, float64) {
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, surge.Burst(t.Context(), n, clients))
		s.awaitEnd(t)
		records := s.recordsSent(t)
		s.stopAfterTheConsole(t, s.databases["console"])
		after, err := s.servers.Written(t.Context(), "console")
		require.NoError(t, err)
		each := after.Minus(before).Per(float64(n))
		before = after
		t.Logf("for each of %d orders: %.1f records, %.1f rows of the console, %.0f WAL records in all", n, records/float64(n), each.AllRows(), each.WALRecords)
		return each, records / float64(n)
	}
	calm, records := measure(30, 1)
	require.Greater(t, calm.AllRows(), 20.0, "the console has not recorded all")
	require.Less(t, calm.AllRows(), float64(mostConsoleRowsCalm))
	require.Less(t, records, float64(mostRecordsCalm))

	busy, records := measure(2000, 64)
	require.Less(t, busy.AllRows(), float64(mostConsoleRowsLoad))
	require.Less(t, busy.WALRecords, float64(mostWALRecordsLoad))
	require.Less(t, records, float64(mostConsoleRowsLoad))

	require.NoError(t, s.Start(t.Context()))
	for range 20 { // an idle system, at which an admin looks
		for _, page := range []string{"overview", "orders", "events", "traces", "services"} {
			require.NoError(t, s.admin.Get(t.Context(), "/console/api/"+page, nil))
		}
	}
	require.NoError(t, s.Stop())
	idle, err := s.servers.Written(t.Context(), "console")
	require.NoError(t, err)
	require.Less(t, idle.Minus(before).AllRows(), 10.0, "the console writes although nothing happens") // that a process has started may be recorded
}

// stopAfterTheConsole stops all services when the console has stored what the others have recorded.
func (s *system) stopAfterTheConsole(t *testing.T, db sqldb.DB) {
	t.Helper()
	require.NoError(t, s.Stop(slices.DeleteFunc(s.Nodes(), func(name string) bool { return name == "console" })...))
	const enough = 60 // looks without a change: on a busy machine the console pauses for seconds
	last, same := int64(-1), 0
	require.Eventually(t, func() bool {
		var seq int64
		require.NoError(t, db.QueryRow(t.Context(), "SELECT seq FROM last_entry").Scan(&seq))
		if same++; seq != last {
			last, same = seq, 0
		}
		return same == enough
	}, timeout, 10*pollInterval)
	require.NoError(t, s.Stop())
}

var sentRecords = regexp.MustCompile(`(?m)^troupe_journal_records_total\{result="sent"\} (\S+)$`)

// recordsSent returns how many records all processes have sent to the console.
func (s *system) recordsSent(t *testing.T) (sum float64) {
	t.Helper()
	for _, service := range append(cluster.Backends(), "gateway") {
		response, err := http.Get(s.URL(service) + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		found := sentRecords.FindSubmatch(text)
		require.NotNil(t, found, service)
		n, err := strconv.ParseFloat(string(found[1]), 64)
		require.NoError(t, err)
		sum += n
	}
	return sum
}
