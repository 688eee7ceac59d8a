package eventfeed

import (
	"context"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/outbox"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

var rowsRead = regexp.MustCompile(`(?:rows=|Rows Removed by Filter: )(\d+)`)

// All events are to be kept. The retention, which looks for old ones every minute, must not
// read them all.
func TestTheRetentionReadsOnlyTheOldestEvents(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			if tx.SkipLocked() == "" {
				t.Skip("SQLite does not report how many rows it has read")
			}
			_, err := tx.Exec(ctx, `INSERT INTO event_log (position, type, body, logged_at)
				SELECT n, 'order.paid.v1', '{}', 1000 FROM generate_series(1, 20000) AS n`)
			require.NoError(t, err)
			plan, err := sqldb.All(ctx, tx, func(r sqldb.Row) (line string, err error) { return line, r.Scan(&line) },
				"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) "+selectOld, int64(1), int64(1e6), pruneBatch)
			require.NoError(t, err)
			for _, line := range plan {
				for _, found := range rowsRead.FindAllStringSubmatch(line, -1) {
					n, err := strconv.Atoi(found[1])
					require.NoError(t, err)
					require.LessOrEqual(t, n, pruneBatch, line)
				}
			}
			return nil
		}))
	}, outbox.Migrations)
}
