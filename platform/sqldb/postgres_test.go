package sqldb_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a", "b")))

	var bothHoldOne sync.WaitGroup
	bothHoldOne.Add(2)
	runs := make(chan string, 20)
	told := make(chan string, 20)
	transfer := func(from, to string) func() {
		var once sync.Once
		return func() {
			err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				runs <- from
				tx.OnCommit(func() { told <- from })
				if _, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - 1 WHERE id = $1", from); err != nil {
					return err
				}
				once.Do(func() { // only the first time, or the second run would wait for ever
					bothHoldOne.Done()
					bothHoldOne.Wait()
				})
				_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + 1 WHERE id = $1", to)
				if err != nil {
					return errRefused // even if fn hides it
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(transfer("a", "b"))
	wg.Go(transfer("b", "a"))
	wg.Wait()
	require.GreaterOrEqual(t, len(runs), 3, "at least one of the two was run again")
	require.Len(t, told, 2, "and each was told once")
	require.Equal(t, 0, balance(t, db, "a"))
	require.Equal(t, 0, balance(t, db, "b"))
}

func TestATransactionOnADeadConnectionIsRunAgain(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1}, bank)
	other := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1})
	var pid int
	require.NoError(t, db.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	var killed bool
	require.NoError(t, other.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&killed))
	require.True(t, killed)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	require.Equal(t, []string{"a"}, accounts(t, db))
}

func TestARelaxedCommitIsRelaxedOnlyForItself(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{MaxConns: 1})
	mode := func(ctx context.Context, q sqldb.Querier) (mode string) {
		require.NoError(t, q.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&mode))
		return mode
	}
	require.NoError(t, db.TxRelaxed(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
		require.Equal(t, "off", mode(ctx, tx))
		return nil
	}))
	require.Equal(t, "on", mode(t.Context(), db))
}

func balance(t *testing.T, db sqldb.DB, id string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT balance FROM accounts WHERE id = $1", id).Scan(&n))
	return n
}

// Who asks while the server restarts is told to try again, not that we are broken.
func TestAServerThatIsAwayIsNobodysFault(t *testing.T) {
	t.Parallel()
	at := postgres(t)
	d := newDoor(t, at.Host)
	at.Host = d.Addr().String()
	db := sqldbtest.Open(t, at.String(), sqldb.Options{MaxConns: 2}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	d.shut()

	_, exec := db.Exec(t.Context(), "DELETE FROM accounts")
	for call, err := range map[string]error{
		"Exec":     exec,
		"QueryRow": db.QueryRow(t.Context(), "SELECT 1").Scan(new(int)),
		"Tx":       db.Tx(t.Context(), opening("b")),
	} {
		var f *fault.Error
		require.ErrorAs(t, err, &f, call)
		require.Equal(t, fault.Unavailable, f.Kind, call)
		require.Equal(t, "data_unavailable", f.Code, call)
		require.Equal(t, time.Second, f.RetryAfter, call)
		require.NotNil(t, f.Cause, call)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.Exec(gone, "DELETE FROM accounts")
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, fault.Is(err, fault.Unavailable), "who has hung up needs no answer")
}

// door is the way to a server, until it is shut.
type door struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newDoor(t *testing.T, server string) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &door{Listener: listener}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", server)
			if err != nil {
				_ = in.Close() // as the server would
				continue
			}
			d.mu.Lock()
			d.conns = append(d.conns, in, out)
			d.mu.Unlock()
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() { _, _ = io.Copy(way[0], way[1]); _ = way[0].Close() })
			}
		}
	})
	t.Cleanup(func() { d.shut(); wg.Wait() })
	return d
}

func (d *door) shut() {
	_ = d.Close() // maybe for the second time
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close() // likewise
	}
}
