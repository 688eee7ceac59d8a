package rabbit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/patterns/journal"
)

// reader receives the journals for a test.
type reader struct {
	mu      sync.Mutex
	records []journal.Record
	fails   int // how often it refuses what arrives
}

func (r *reader) take(_ context.Context, records []journal.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails > 0 {
		r.fails--
		return errors.New("the database is away")
	}
	r.records = append(r.records, records...)
	return nil
}

func (r *reader) services() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records {
		names = append(names, record.Service)
	}
	return names
}

func openJournal(t *testing.T, url string) *rabbit.Journal {
	t.Helper()
	j := rabbit.NewJournal(url, t.Name(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// consume reads the journals until the test ends, and returns when the queue is there.
func (r *reader) consume(t *testing.T, url string, from *rabbit.Journal) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	j := openJournal(t, url)
	go func() {
		defer close(done)
		j.Consume(ctx, r.take)
	}()
	t.Cleanup(func() { cancel(); <-done })
	require.Eventually(t, func() bool { // what is sent before the queue is there is lost
		_ = from.Send([]journal.Record{{Service: "first"}})
		return len(r.services()) > 0
	}, timeout, 50*time.Millisecond)
}

func TestTheJournalsOfAllServicesReachTheConsole(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	orders, payments := openJournal(t, url), openJournal(t, url)
	require.NoError(t, orders.Send([]journal.Record{{Service: "orders"}}), "nobody reads, and nobody has to")
	var r reader
	r.consume(t, url, orders)
	require.NoError(t, orders.Send([]journal.Record{{Kind: journal.Published, Service: "orders", Event: &journal.Event{ID: "e1"}}}))
	require.NoError(t, payments.Send([]journal.Record{{Kind: journal.Handled, Service: "payments", Attempt: &journal.Attempt{EventID: "e1"}}}))
	require.Eventually(t, func() bool {
		names := r.services()
		return slices.Contains(names, "orders") && slices.Contains(names, "payments")
	}, timeout, tick)

	r.mu.Lock()
	r.fails = 2
	r.mu.Unlock()
	require.NoError(t, payments.Send([]journal.Record{{Service: "inventory"}}))
	require.Eventually(t, func() bool { return slices.Contains(r.services(), "inventory") }, timeout, tick, "it is delivered again")
}

func TestWithoutABrokerTheJournalFailsAtOnce(t *testing.T) {
	t.Parallel()
	j := openJournal(t, "amqp://guest:guest@127.0.0.1:1/")
	for range 1000 { // each attempt to connect is refused by this machine, and most are not made
		require.Error(t, j.Send([]journal.Record{{Service: "orders"}}))
	}
	require.NoError(t, j.Close())
	require.Error(t, j.Send([]journal.Record{{Service: "orders"}}))
}

func TestAServiceWritesTheJournalAndOnlyTheConsoleReadsIt(t *testing.T) {
	t.Parallel()
	definitions, err := rabbit.Definitions("/", bus.Topology{"order.created.v1": {"payments"}}, []rabbit.Account{
		{Name: "orders", Password: "orders-of-a-test", Publishes: []string{"order.created.v1"}},
		{Name: "console", Password: "console-of-a-test", ReadsJournals: true},
	})
	require.NoError(t, err)
	urls := rabbittest.Import(t, definitions)
	orders := openJournal(t, urls["orders"])
	var r reader
	r.consume(t, urls["console"], orders)
	require.NoError(t, orders.Send([]journal.Record{{Service: "orders"}}))
	require.Eventually(t, func() bool { return slices.Contains(r.services(), "orders") }, timeout, tick)

	var spy reader
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	openJournal(t, urls["orders"]).Consume(ctx, spy.take)
	require.Empty(t, spy.services(), "orders may not read what the others record")
}
