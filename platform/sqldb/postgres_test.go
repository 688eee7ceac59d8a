package sqldb_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

func TestADeadlockIsRetried(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a", "b")))

	var bothHoldOne sync.WaitGroup
	bothHoldOne.Add(2)
	runs := make(chan string, 20)
	committed := make(chan string, 20)
	transfer := func(from, to string) func() {
		var once sync.Once
		return func() {
			err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				runs <- from
				tx.OnCommit(func() { committed <- from })
				if _, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance - 1 WHERE id = $1", from); err != nil {
					return err
				}
				once.Do(func() { // only in the first run, or the second would wait forever
					bothHoldOne.Done()
					bothHoldOne.Wait()
				})
				_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + 1 WHERE id = $1", to)
				if err != nil {
					return errRefused // the deadlock is retried even if fn hides it
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
	require.GreaterOrEqual(t, len(runs), 3, "at least one of the two must run again")
	require.Len(t, committed, 2, "OnCommit is called once for each")
	require.Equal(t, 0, balance(t, db, "a"))
	require.Equal(t, 0, balance(t, db, "b"))
}

// Two transactions look for an account, find none, and open it. The later one runs again and
// finds it.
func TestATransactionRunsAgainIfItsRowWasJustInserted(t *testing.T) {
	t.Parallel()
	db := sqldbtest.Open(t, postgres(t).String(), sqldb.Options{}, bank)
	var bothFoundNone, all sync.WaitGroup
	bothFoundNone.Add(2)
	opened := make(chan bool, 20)
	for range 2 {
		var once sync.Once
		all.Go(func() {
			err := db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
				var n int
				if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM accounts WHERE id = 'a'").Scan(&n); err != nil || n == 1 {
					return err
				}
				once.Do(func() {
					bothFoundNone.Done()
					bothFoundNone.Wait()
				})
				tx.OnCommit(func() { opened <- true })
				_, err := tx.Exec(ctx, "INSERT INTO accounts (id, balance) VALUES ('a', 0)")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Len(t, opened, 1)
	require.Equal(t, []string{"a"}, accounts(t, db))
}

func TestATransactionOnALostConnectionIsRetried(t *testing.T) {
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

func TestARelaxedCommitDoesNotAffectTheNext(t *testing.T) {
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

// balance returns the committed balance of an account.
func balance(t *testing.T, db sqldb.DB, id string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT balance FROM accounts WHERE id = $1", id).Scan(&n))
	return n
}

// While the server restarts callers are asked to try again: the service is unavailable,
// not broken.
func TestAServerThatIsDownMeansUnavailable(t *testing.T) {
	t.Parallel()
	at := postgres(t)
	p := newProxy(t, at.Host)
	at.Host = p.Addr().String()
	db := sqldbtest.Open(t, at.String(), sqldb.Options{MaxConns: 2}, bank)
	require.NoError(t, db.Tx(t.Context(), opening("a")))
	p.close()

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
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.Exec(ended, "DELETE FROM accounts")
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, fault.Is(err, fault.Unavailable), "the caller ended the call, not the server")
}

// A stop waits for the steps of workers, which have some seconds to end.
func TestATransactionOnASilentServerEndsSoonAfterItsCaller(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]error{"commit": nil, "rollback": io.EOF} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := postgres(t)
			p := newProxy(t, at.Host)
			at.Host = p.Addr().String()
			db, err := sqldb.Open(t.Context(), at.String(), sqldb.Options{})
			require.NoError(t, err)
			defer func() {
				p.close() // or closing the database waits for the server
				require.NoError(t, db.Close())
			}()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				ended <- db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
					if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
						return err
					}
					p.silent.Store(true)
					cancel()
					return result
				})
			}()
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(20 * time.Second):
				require.Fail(t, "the transaction does not end")
			}
		})
	}
}

// proxy forwards connections to a server until it is closed. While it is silent, what is
// sent is lost, and the connections stay.
type proxy struct {
	net.Listener
	silent atomic.Bool
	mu     sync.Mutex
	closed bool
	conns  []net.Conn

	running sync.WaitGroup
}

// end is an end of a connection through the proxy.
type end struct {
	net.Conn
	silent *atomic.Bool
}

func (e end) Write(b []byte) (int, error) {
	if e.silent.Load() {
		return len(b), nil
	}
	return e.Conn.Write(b)
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	p, err := listenAt("127.0.0.1:0", server)
	require.NoError(t, err)
	t.Cleanup(p.close)
	return p
}

// listenAt returns a proxy that listens at an address and forwards to the server.
func listenAt(address, server string) (*proxy, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &proxy{Listener: listener}
	p.running.Go(func() {
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
			p.forward(in, out)
		}
	})
	return p, nil
}

func (p *proxy) forward(in, out net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, in, out)
	if p.closed {
		_, _ = in.Close(), out.Close()
		return
	}
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		p.running.Go(func() { _, _ = io.Copy(end{pair[0], &p.silent}, pair[1]); _ = pair[0].Close() })
	}
}

// close closes the listener and all connections, and waits until nothing runs. It may be called twice.
func (p *proxy) close() {
	_ = p.Close()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
