package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/console/internal/store"
)

// journals is what two replicas of the console do with records of the order o.
type journals struct {
	db   sqldb.DB
	here *recentOrders
}

func stepOf(event string) journal.Record {
	return journal.Record{Kind: journal.Published, At: time.UnixMicro(1), Service: "orders", OrderID: "o", Event: &journal.Event{ID: event}}
}

// add adds records, and returns the events of the order as this replica has them then. A transaction
// that fails adds nothing.
func (j *journals) add(t *testing.T, failure error, records ...journal.Record) (events []string) {
	t.Helper()
	err := j.db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		last, err := store.Add(ctx, tx, records)
		require.NoError(t, err)
		steps, err := j.here.read(ctx, tx, "o", last)
		require.NoError(t, err)
		events = nil
		for _, r := range steps {
			events = append(events, r.Event.ID)
		}
		return failure
	})
	require.ErrorIs(t, err, failure)
	return events
}

func TestTheRecordsOfAnOrderAreReadOnceWhicheverReplicaAddsThem(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		here, elsewhere := &journals{db, newRecentOrders()}, &journals{db, newRecentOrders()}
		require.Equal(t, []string{"1"}, here.add(t, nil, stepOf("1")))
		require.Equal(t, []string{"1", "2"}, elsewhere.add(t, nil, stepOf("2")))
		line := journal.Record{Kind: journal.Logged, Service: "orders", OrderID: "o", Line: &journal.Line{}}
		require.Equal(t, []string{"1", "2", "3"}, here.add(t, nil, line, stepOf("3")))
		failure := errors.New("the database is away")
		require.Equal(t, []string{"1", "2", "3", "4"}, here.add(t, failure, stepOf("4")))
		require.Equal(t, []string{"1", "2", "3", "5"}, here.add(t, nil, stepOf("5")))

		_, err := db.Exec(t.Context(), "DELETE FROM entries")
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3", "5", "6"}, here.add(t, nil, stepOf("6")), "none is read again")
		require.Equal(t, []string{"1", "2", "6", "7"}, elsewhere.add(t, nil, stepOf("7")))
	}, store.Migrations)
}

func TestTheRecordsOfRecentOrdersAreBounded(t *testing.T) {
	t.Parallel()
	r := newRecentOrders()
	for n := range 10 * mostRecent {
		r.keep(fmt.Sprint(n), recentOrder{slices.Repeat([]journal.Record{stepOf("1")}, 7), int64(n)})
		require.LessOrEqual(t, r.records, mostRecent)
		require.LessOrEqual(t, 7*len(r.orders), mostRecent)
	}
}
