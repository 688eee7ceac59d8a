package sqldb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
)

// queue is a database with callers that queue up, in order, behind a first transaction
// that holds the writer until release, so that all of them form one group.
type queue struct {
	t       *testing.T
	db      sqldb.DB
	proceed chan struct{}
	wg      sync.WaitGroup

	mu  sync.Mutex
	log []string // what happened, in order
}

// withQueue runs test in a synctest bubble, in which synctest.Wait returns once every
// caller waits in the queue.
func withQueue(t *testing.T, o sqldb.Options, test func(t *testing.T, q *queue)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := sqldb.Open(t.Context(), "sqlite::memory:", o)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, sqldb.Migrate(t.Context(), db, bank))
		q := &queue{t: t, db: db, proceed: make(chan struct{})}
		q.enqueue("first", func(ctx context.Context, tx sqldb.Tx) error {
			<-q.proceed
			return opening("first")(ctx, tx)
		})
		test(t, q)
	})
}

// record adds to the log.
func (q *queue) record(format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.log = append(q.log, fmt.Sprintf(format, args...))
}

// enqueue adds a transaction to the queue and logs its start, its commit and its failure.
func (q *queue) enqueue(name string, fn func(context.Context, sqldb.Tx) error) {
	q.enqueueWith(q.t.Context(), name, fn)
}

// enqueueWith is enqueue with the context of the caller.
func (q *queue) enqueueWith(ctx context.Context, name string, fn func(context.Context, sqldb.Tx) error) {
	q.wg.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				q.record("%s panics", name)
			}
		}()
		err := q.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			q.record("%s runs", name)
			tx.OnCommit(func() { q.record("%s commits", name) })
			return fn(ctx, tx)
		})
		if err != nil {
			q.record("%s fails", name)
		}
	})
	synctest.Wait()
}

// release lets the first transaction go on and waits until all have ended.
func (q *queue) release() {
	close(q.proceed)
	q.wg.Wait()
}

// before requires that everything in early was logged before anything in late.
func (q *queue) before(early, late []string) {
	q.t.Helper()
	at := map[string]int{}
	for i, what := range q.log {
		at[what] = i
	}
	for _, e := range early {
		for _, l := range late {
			require.Contains(q.t, q.log, e)
			require.Contains(q.t, q.log, l)
			require.Less(q.t, at[e], at[l], "%s, then %s: %s", e, l, strings.Join(q.log, "; "))
		}
	}
}

func TestCallersInTheQueueShareOneCommit(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		q.enqueue("second", opening("b"))
		q.enqueue("third", opening("c"))
		q.release()
		q.before([]string{"first runs", "second runs", "third runs"}, []string{"first commits", "second commits", "third commits"})
		q.before([]string{"second runs"}, []string{"third runs"})
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, q.db))
	})
}

func TestWithoutGroupCommitEachCommitsByItself(t *testing.T) {
	withQueue(t, sqldb.Options{NoGroupCommit: true}, func(t *testing.T, q *queue) {
		q.enqueue("second", func(ctx context.Context, tx sqldb.Tx) error {
			require.Equal(t, []string{"first"}, accounts(t, q.db), "the first is committed already")
			return opening("b")(ctx, tx)
		})
		q.release()
		require.Equal(t, []string{"b", "first"}, accounts(t, q.db))
	})
}

func TestAFailedTransactionDoesNotHarmItsGroup(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		q.enqueue("second", opening("b"))
		q.enqueue("failing", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("x")(ctx, tx))
			return errRefused
		})
		q.enqueue("duplicate", opening("y", "b"))
		q.enqueue("panicking", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("z")(ctx, tx))
			panic("oh")
		})
		q.enqueue("last", opening("c"))
		q.release()
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, q.db))
		q.before([]string{"last runs"}, []string{"first commits", "second commits", "last commits"})
		require.Subset(t, q.log, []string{"failing fails", "duplicate fails", "panicking panics"})
		require.NotContains(t, q.log, "failing commits")
		require.NotContains(t, q.log, "panicking commits")
	})
}

func TestTheFirstAndTheLastOfAGroupMayFail(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		q.enqueue("duplicate of first", opening("first"))
		q.enqueue("good", opening("good"))
		q.enqueue("last", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("x")(ctx, tx))
			return errRefused
		})
		q.release()
		require.Equal(t, []string{"first", "good"}, accounts(t, q.db))
		require.Contains(t, q.log, "good commits")
	})
}

func TestAFailedCommitFailsTheWholeGroup(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		q.enqueue("second", func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO entries (id, account) VALUES ($1, $2)", "e", "missing")
			return err // the foreign key is checked at the commit
		})
		q.enqueue("third", opening("c"))
		q.release()
		for _, name := range []string{"first", "second", "third"} {
			require.Contains(t, q.log, name+" fails")
			require.NotContains(t, q.log, name+" commits")
		}
		require.Empty(t, accounts(t, q.db))
		require.NoError(t, q.db.Tx(t.Context(), opening("d")), "the next group is not harmed")
	})
}

func TestAContextThatEndsInTheQueuePreventsTheRun(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		ctx, cancel := context.WithCancel(t.Context())
		q.enqueueWith(ctx, "canceled", opening("x"))
		q.enqueue("other", opening("b"))
		cancel()
		synctest.Wait()
		require.Equal(t, []string{"first runs", "canceled fails"}, q.log)
		q.release()
		require.NotContains(t, q.log, "canceled runs")
		require.Equal(t, []string{"b", "first"}, accounts(t, q.db))
	})
}

func TestAContextThatEndsAfterTheRunUndoesNothing(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		ctx, cancel := context.WithCancel(t.Context())
		q.enqueueWith(ctx, "second", func(ctx context.Context, tx sqldb.Tx) error {
			err := opening("b")(ctx, tx)
			cancel()
			return err
		})
		q.enqueue("third", opening("c"))
		q.release()
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, q.db))
		require.Contains(t, q.log, "second commits")
	})
}

func TestAFlushedTransactionNeverJoinsARelaxedGroup(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		held := make(chan struct{})
		q.wg.Go(func() {
			_ = q.db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				q.record("relaxed runs")
				tx.OnCommit(func() { q.record("relaxed commits") })
				<-held
				return opening("r")(ctx, tx)
			})
		})
		synctest.Wait()
		close(q.proceed) // the first and the relaxed one are a flushed group
		synctest.Wait()
		require.NotContains(t, q.log, "first commits")
		close(held)
		q.wg.Wait()
		q.before([]string{"first runs", "relaxed runs"}, []string{"first commits", "relaxed commits"})

		held = make(chan struct{})
		q.wg.Go(func() {
			_ = q.db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				<-held
				return opening("r2")(ctx, tx)
			})
		})
		synctest.Wait()
		q.enqueue("flushed", func(ctx context.Context, tx sqldb.Tx) error {
			require.Contains(t, accounts(t, q.db), "r2", "the relaxed group is committed already")
			return opening("f")(ctx, tx)
		})
		close(held)
		q.wg.Wait()
		require.Equal(t, []string{"f", "first", "r", "r2"}, accounts(t, q.db))
	})
}

func TestCloseRefusesTheCallersInTheQueue(t *testing.T) {
	withQueue(t, sqldb.Options{}, func(t *testing.T, q *queue) {
		q.enqueue("second", opening("b"))
		closed := make(chan error, 1)
		go func() { closed <- q.db.Close() }()
		synctest.Wait()
		require.Contains(t, q.log, "second fails")
		require.Empty(t, closed, "the first still runs")
		q.release()
		require.NoError(t, <-closed)
		require.Contains(t, q.log, "first commits")
	})
}
