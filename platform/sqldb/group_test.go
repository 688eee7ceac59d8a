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

// crowd is callers that queue up, in order, behind one transaction that holds
// the writer, so that all of them are one group.
type crowd struct {
	t       *testing.T
	db      sqldb.DB
	proceed chan struct{}
	wg      sync.WaitGroup

	mu  sync.Mutex
	log []string
}

// gather runs test in a bubble where "everybody is queued" can be waited for.
func gather(t *testing.T, o sqldb.Options, test func(t *testing.T, c *crowd)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := sqldb.Open(t.Context(), "sqlite::memory:", o)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		require.NoError(t, sqldb.Migrate(t.Context(), db, bank))
		c := &crowd{t: t, db: db, proceed: make(chan struct{})}
		c.joins("first", func(ctx context.Context, tx sqldb.Tx) error {
			<-c.proceed
			return opening("first")(ctx, tx)
		})
		test(t, c)
	})
}

func (c *crowd) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf(format, args...))
}

// joins queues a transaction up and notes its beginning, commit and outcome.
func (c *crowd) joins(name string, fn func(context.Context, sqldb.Tx) error) {
	c.joinsWith(c.t.Context(), name, fn)
}

func (c *crowd) joinsWith(ctx context.Context, name string, fn func(context.Context, sqldb.Tx) error) {
	c.wg.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				c.note("%s panics", name)
			}
		}()
		err := c.db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
			c.note("%s runs", name)
			tx.OnCommit(func() { c.note("%s is told", name) })
			return fn(ctx, tx)
		})
		if err != nil {
			c.note("%s fails", name)
		}
	})
	synctest.Wait()
}

func (c *crowd) goAhead() {
	close(c.proceed)
	c.wg.Wait()
}

// before demands that everything in early was noted before anything in late.
func (c *crowd) before(early, late []string) {
	c.t.Helper()
	at := map[string]int{}
	for i, what := range c.log {
		at[what] = i
	}
	for _, e := range early {
		for _, l := range late {
			require.Contains(c.t, c.log, e)
			require.Contains(c.t, c.log, l)
			require.Less(c.t, at[e], at[l], "%s, then %s: %s", e, l, strings.Join(c.log, "; "))
		}
	}
}

func TestCallersThatQueueUpShareOneCommit(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		c.joins("second", opening("b"))
		c.joins("third", opening("c"))
		c.goAhead()
		c.before([]string{"first runs", "second runs", "third runs"}, []string{"first is told", "second is told", "third is told"})
		c.before([]string{"second runs"}, []string{"third runs"})
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, c.db))
	})
}

func TestWithoutGroupCommitEachIsCommittedByItself(t *testing.T) {
	gather(t, sqldb.Options{NoGroupCommit: true}, func(t *testing.T, c *crowd) {
		c.joins("second", func(ctx context.Context, tx sqldb.Tx) error {
			require.Equal(t, []string{"first"}, accounts(t, c.db), "the first is committed already")
			return opening("b")(ctx, tx)
		})
		c.goAhead()
		require.Equal(t, []string{"b", "first"}, accounts(t, c.db))
	})
}

func TestOneThatFailsLeavesTheGroupAlone(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		c.joins("second", opening("b"))
		c.joins("failing", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("x")(ctx, tx))
			return errRefused
		})
		c.joins("duplicate", opening("y", "b"))
		c.joins("panicking", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("z")(ctx, tx))
			panic("oh")
		})
		c.joins("last", opening("c"))
		c.goAhead()
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, c.db))
		c.before([]string{"last runs"}, []string{"first is told", "second is told", "last is told"})
		require.Subset(t, c.log, []string{"failing fails", "duplicate fails", "panicking panics"})
		require.NotContains(t, c.log, "failing is told")
		require.NotContains(t, c.log, "panicking is told")
	})
}

func TestTheFirstMayFailAndTheLast(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		c.joins("duplicate of first", opening("first"))
		c.joins("good", opening("good"))
		c.joins("last", func(ctx context.Context, tx sqldb.Tx) error {
			require.NoError(t, opening("x")(ctx, tx))
			return errRefused
		})
		c.goAhead()
		require.Equal(t, []string{"first", "good"}, accounts(t, c.db))
		require.Contains(t, c.log, "good is told")
	})
}

func TestACommitThatFailsFailsAll(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		c.joins("second", func(ctx context.Context, tx sqldb.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO entries (id, account) VALUES ($1, $2)", "e", "nobody")
			return err // the foreign key is looked at on commit
		})
		c.joins("third", opening("c"))
		c.goAhead()
		for _, name := range []string{"first", "second", "third"} {
			require.Contains(t, c.log, name+" fails")
			require.NotContains(t, c.log, name+" is told")
		}
		require.Empty(t, accounts(t, c.db))
		require.NoError(t, c.db.Tx(t.Context(), opening("d")), "the next group is not harmed")
	})
}

func TestOneWhoseContextEndsInTheQueueNeverRuns(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		ctx, cancel := context.WithCancel(t.Context())
		c.joinsWith(ctx, "impatient", opening("x"))
		c.joins("patient", opening("b"))
		cancel()
		synctest.Wait()
		require.Equal(t, []string{"first runs", "impatient fails"}, c.log)
		c.goAhead()
		require.NotContains(t, c.log, "impatient runs")
		require.Equal(t, []string{"b", "first"}, accounts(t, c.db))
	})
}

func TestAContextThatEndsAfterwardsTakesNothingBack(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		ctx, cancel := context.WithCancel(t.Context())
		c.joinsWith(ctx, "second", func(ctx context.Context, tx sqldb.Tx) error {
			err := opening("b")(ctx, tx)
			cancel()
			return err
		})
		c.joins("third", opening("c"))
		c.goAhead()
		require.Equal(t, []string{"b", "c", "first"}, accounts(t, c.db))
		require.Contains(t, c.log, "second is told")
	})
}

func TestAFlushedTransactionStartsItsOwnGroupAfterARelaxedOne(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		held := make(chan struct{})
		c.wg.Go(func() {
			_ = c.db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				c.note("relaxed runs")
				tx.OnCommit(func() { c.note("relaxed is told") })
				<-held
				return opening("r")(ctx, tx)
			})
		})
		synctest.Wait()
		close(c.proceed) // the first and the relaxed one are a flushed group
		synctest.Wait()
		require.NotContains(t, c.log, "first is told")
		close(held)
		c.wg.Wait()
		c.before([]string{"first runs", "relaxed runs"}, []string{"first is told", "relaxed is told"})

		held = make(chan struct{})
		c.wg.Go(func() {
			_ = c.db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				<-held
				return opening("r2")(ctx, tx)
			})
		})
		synctest.Wait()
		c.joins("flushed", func(ctx context.Context, tx sqldb.Tx) error {
			require.Contains(t, accounts(t, c.db), "r2", "the relaxed group is committed already")
			return opening("f")(ctx, tx)
		})
		close(held)
		c.wg.Wait()
		require.Equal(t, []string{"f", "first", "r", "r2"}, accounts(t, c.db))
	})
}

func TestClosingRefusesThoseWhoWait(t *testing.T) {
	gather(t, sqldb.Options{}, func(t *testing.T, c *crowd) {
		c.joins("second", opening("b"))
		closed := make(chan error, 1)
		go func() { closed <- c.db.Close() }()
		synctest.Wait()
		require.Contains(t, c.log, "second fails")
		require.Empty(t, closed, "the first still runs")
		c.goAhead()
		require.NoError(t, <-closed)
		require.Contains(t, c.log, "first is told")
	})
}
