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
		for _, service := range []string{"house", "archive", "fairy"} {
			databases[service] = sqldbtest.SQLite(t, local.Migrations)
		}
		return process(databases)
	})
}

// process is a bus whose databases answer no more once it has crashed.
func process(databases map[string]sqldb.DB) bustest.Bus {
	dead := &atomic.Bool{}
	alive := map[string]sqldb.DB{}
	for service, db := range databases {
		alive[service] = mortal{db, dead}
	}
	b := local.New(bustest.Topology, alive, slog.New(slog.DiscardHandler))
	lost := &losing{Bus: b}
	return bustest.Bus{
		Publisher: lost, Subscriber: b,
		Crash: func(*testing.T) bustest.Bus { dead.Store(true); return process(databases) },
		Lose: func(_ *testing.T, service string) {
			delete(alive, service)
			lost.Bus = local.New(bustest.Topology, alive, slog.New(slog.DiscardHandler))
		},
	}
}

// losing is a publisher that can be replaced.
type losing struct{ *local.Bus }

// mortal is a database of a process that may have died.
type mortal struct {
	sqldb.DB
	dead *atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m mortal) TxRelaxed(ctx context.Context, fn func(context.Context, sqldb.Tx) error) error {
	if m.dead.Load() {
		return errDead
	}
	return m.DB.TxRelaxed(ctx, fn)
}

func (m mortal) Query(ctx context.Context, sql string, args ...any) (sqldb.Rows, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.DB.Query(ctx, sql, args...)
}

var topology = bus.Topology{"letter.sent.v1": {"house", "archive"}}

func letters(n int) (batch []bus.Message) {
	for i := range n {
		batch = append(batch, bus.Message{ID: fmt.Sprintf("%05d", i), Type: "letter.sent.v1", Body: []byte("{}")})
	}
	return batch
}

func newBus(t *testing.T) (*local.Bus, map[string]sqldb.DB) {
	t.Helper()
	databases := map[string]sqldb.DB{
		"house": sqldbtest.SQLite(t, local.Migrations), "archive": sqldbtest.SQLite(t, local.Migrations),
	}
	return local.New(topology, databases, slog.New(slog.DiscardHandler)), databases
}

func TestAStepHandsOutOneBatchInOrder(t *testing.T) {
	t.Parallel()
	b, _ := newBus(t)
	require.NoError(t, errors.Join(b.Publish(t.Context(), letters(300))...))
	var got []string
	note := func(_ context.Context, batch []bus.Delivery) error {
		for _, d := range batch {
			got = append(got, d.ID)
		}
		return nil
	}
	for _, want := range []int{256, 44, 0} {
		n, err := b.Step(t.Context(), "house", note)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.Len(t, got, 300)
	require.IsIncreasing(t, got)
}

func TestAFailedBatchIsCountedOnce(t *testing.T) {
	t.Parallel()
	b, databases := newBus(t)
	require.NoError(t, errors.Join(b.Publish(t.Context(), letters(600))...))
	var attempts []int
	refuse := errors.New("refused")
	handler := func(_ context.Context, batch []bus.Delivery) error {
		if len(batch) == 0 {
			return nil
		}
		attempts = append(attempts, batch[0].Attempt)
		if len(attempts) == 1 || len(attempts) == 5 {
			return nil
		}
		return refuse
	}
	for n := range 5 {
		_, err := b.Step(t.Context(), "house", handler)
		if n == 0 || n == 4 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, refuse)
	}
	require.Equal(t, []int{0, 0, 1, 2, 3}, attempts)

	// The next process knows nothing but what is in the table.
	next := local.New(topology, databases, slog.New(slog.DiscardHandler))
	n, err := next.Step(t.Context(), "house", func(_ context.Context, batch []bus.Delivery) error {
		require.Zero(t, batch[0].Attempt)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 88, n)
}

func TestAMessageThatOneHearersDatabaseRefusesIsRefused(t *testing.T) {
	t.Parallel()
	_, databases := newBus(t)
	full := errors.New("disk full")
	databases["archive"] = broken{databases["archive"], full}
	b := local.New(topology, databases, slog.New(slog.DiscardHandler))
	for _, err := range b.Publish(t.Context(), letters(3)) {
		require.ErrorIs(t, err, full)
		require.ErrorContains(t, err, "archive")
	}
	n, err := b.Step(t.Context(), "house", func(context.Context, []bus.Delivery) error { return nil })
	require.NoError(t, err)
	require.Equal(t, 3, n, "the other one has it already, and will hear it again")
}

type broken struct {
	sqldb.DB
	err error
}

func (b broken) Tx(context.Context, func(context.Context, sqldb.Tx) error) error { return b.err }

func TestAStepOfAServiceWithoutAQueueFails(t *testing.T) {
	t.Parallel()
	b, _ := newBus(t)
	_, err := b.Step(t.Context(), "nobody", nil)
	require.ErrorContains(t, err, "nobody has no queue")
}
