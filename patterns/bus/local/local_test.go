package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/bustest"
	"troupe/patterns/bus/local"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { bustest.Main(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(t *testing.T) bustest.Bus {
		databases := map[string]sqldb.DB{}
		for _, service := range []string{"billing", "archive", "search"} {
			databases[service] = sqldbtest.SQLite(t, local.Migrations)
		}
		return newProcess(databases)
	})
}

// newProcess returns a bus whose databases fail every call once it has crashed.
func newProcess(databases map[string]sqldb.DB) bustest.Bus {
	crashed := &atomic.Bool{}
	alive := map[string]sqldb.DB{}
	for service, db := range databases {
		alive[service] = crashableDB{db, crashed}
	}
	b := local.New(bustest.Topology, alive, slog.New(slog.DiscardHandler))
	publisher := &replaceable{Bus: b}
	return bustest.Bus{
		Publisher: publisher, Subscriber: b,
		Crash: func(*testing.T) bustest.Bus { crashed.Store(true); return newProcess(databases) },
		DeleteQueue: func(_ *testing.T, service string) {
			delete(alive, service)
			publisher.Bus = local.New(bustest.Topology, alive, slog.New(slog.DiscardHandler))
		},
	}
}

// replaceable is a publisher whose bus can be replaced.
type replaceable struct{ *local.Bus }

// crashableDB is the database of a process that may have crashed.
type crashableDB struct {
	sqldb.DB
	crashed *atomic.Bool
}

var errCrashed = errors.New("the process has crashed")

func (m crashableDB) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	if m.crashed.Load() {
		return errCrashed
	}
	return m.DB.TxRelaxed(ctx, fn)
}

func (m crashableDB) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if m.crashed.Load() {
		return nil, errCrashed
	}
	return m.DB.Query(ctx, sql, args...)
}

var topology = bus.Topology{"invoice.sent.v1": {"billing", "archive"}}

func invoices(n int) (batch []bus.Message) {
	for i := range n {
		batch = append(batch, bus.Message{ID: fmt.Sprintf("%05d", i), Type: "invoice.sent.v1", Body: []byte("{}")})
	}
	return batch
}

func newBus(t *testing.T) (*local.Bus, map[string]sqldb.DB) {
	t.Helper()
	databases := map[string]sqldb.DB{
		"billing": sqldbtest.SQLite(t, local.Migrations), "archive": sqldbtest.SQLite(t, local.Migrations),
	}
	return local.New(topology, databases, slog.New(slog.DiscardHandler)), databases
}

func TestAStepDeliversOneBatchInOrder(t *testing.T) {
	t.Parallel()
	b, _ := newBus(t)
	require.NoError(t, errors.Join(b.Publish(t.Context(), invoices(300))...))
	var got []string
	record := func(_ context.Context, batch []bus.Delivery) error {
		for _, d := range batch {
			got = append(got, d.ID)
		}
		return nil
	}
	for _, want := range []int{256, 44, 0} {
		n, err := b.Step(t.Context(), "billing", record)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.Len(t, got, 300)
	require.IsIncreasing(t, got)
}

func TestAFailedBatchCountsAsOneAttempt(t *testing.T) {
	t.Parallel()
	b, databases := newBus(t)
	require.NoError(t, errors.Join(b.Publish(t.Context(), invoices(600))...))
	var attempts []int
	errRejected := errors.New("rejected")
	handler := func(_ context.Context, batch []bus.Delivery) error {
		if len(batch) == 0 {
			return nil
		}
		attempts = append(attempts, batch[0].Attempt)
		if len(attempts) == 1 || len(attempts) == 5 {
			return nil
		}
		return errRejected
	}
	for n := range 5 {
		_, err := b.Step(t.Context(), "billing", handler)
		if n == 0 || n == 4 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errRejected)
	}
	require.Equal(t, []int{0, 0, 1, 2, 3}, attempts)

	// The next process knows only what is in the table.
	next := local.New(topology, databases, slog.New(slog.DiscardHandler))
	n, err := next.Step(t.Context(), "billing", func(_ context.Context, batch []bus.Delivery) error {
		require.Zero(t, batch[0].Attempt)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 88, n)
}

func TestAMessageOneDatabaseRejectsIsRejected(t *testing.T) {
	t.Parallel()
	_, databases := newBus(t)
	errFull := errors.New("disk full")
	databases["archive"] = failingDB{databases["archive"], errFull}
	b := local.New(topology, databases, slog.New(slog.DiscardHandler))
	for _, err := range b.Publish(t.Context(), invoices(3)) {
		require.ErrorIs(t, err, errFull)
		require.ErrorContains(t, err, "archive")
	}
	n, err := b.Step(t.Context(), "billing", func(context.Context, []bus.Delivery) error { return nil })
	require.NoError(t, err)
	require.Equal(t, 3, n, "the other queue has the messages already and will get them again")
}

type failingDB struct {
	sqldb.DB
	err error
}

func (b failingDB) Tx(context.Context, func(context.Context, sqldb.Tx) error) error { return b.err }

func TestAStepOfAServiceWithoutAQueueFails(t *testing.T) {
	t.Parallel()
	b, _ := newBus(t)
	_, err := b.Step(t.Context(), "unknown", nil)
	require.ErrorContains(t, err, "unknown has no queue")
}

func TestTheMessagesThatWaitForAServiceAreCounted(t *testing.T) {
	t.Parallel()
	b := local.New(topology, map[string]sqldb.DB{
		"billing": sqldbtest.SQLite(t, local.Migrations), "archive": sqldbtest.SQLite(t, local.Migrations),
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, errors.Join(b.Publish(t.Context(), invoices(3))...))
	waiting := func() int {
		n, err := b.Waiting(t.Context(), "billing")
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 3, waiting())
	_, err := b.Step(t.Context(), "billing", func(context.Context, []bus.Delivery) error { return errors.New("no") })
	require.Error(t, err)
	require.Equal(t, 3, waiting(), "one that fails still waits")
	_, err = b.Step(t.Context(), "billing", func(context.Context, []bus.Delivery) error { return nil })
	require.NoError(t, err)
	require.Zero(t, waiting())
	_, err = b.Waiting(t.Context(), "search")
	require.ErrorContains(t, err, "search has no queue here")
}
