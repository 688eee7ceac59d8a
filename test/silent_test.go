package test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/cluster"
)

// silentListener accepts connections and never answers. connected receives a value for each connection.
func silentListener(t *testing.T) (address string, connected <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan struct{}, 1000)
	var connections []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections = append(connections, conn)
			accepted <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range connections {
			_ = conn.Close()
		}
	})
	return listener.Addr().String(), accepted
}

// syncBuffer holds the output of processes.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// requireStops asks a node to stop, and requires that it ends well: no wait was cut off by
// DRAIN_TIMEOUT, or the exit code would be 1.
func requireStops(t *testing.T, s *cluster.Cluster, node string) {
	t.Helper()
	began := time.Now()
	require.NoError(t, syscall.Kill(s.PID(node), syscall.SIGTERM))
	select {
	case <-s.Ended(node):
	case <-time.After(timeout):
		require.Fail(t, "it does not end")
	}
	require.NoError(t, s.Exit(node), "it ends with 0")
	t.Log(node, "stopped after", time.Since(began))
}

// Mails to a server that accepts the connection and is silent are sent after the next start.
func TestASilentMailServerDoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	address, connected := silentListener(t)
	binary, err := program()
	require.NoError(t, err)
	var log syncBuffer
	s := startSystem(t, cluster.Config{
		Kind: cluster.OneProcess, Program: binary, Output: io.MultiWriter(&log, t.Output()), Settings: []string{"NOTIFICATIONS_SMTP_URL=smtp://" + address},
	})
	s.newCustomer(t) // who gets a mail
	<-connected
	requireStops(t, s.Cluster, cluster.AllInOne)
	require.Contains(t, log.String(), "mail not sent")
	require.Contains(t, log.String(), address)
}

// A broker that accepts the connection and is silent.
func TestASilentBrokerDoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	if !rabbittest.Available(t) {
		t.Skip("the servers are left out")
	}
	address, connected := silentListener(t)
	binary, err := program()
	require.NoError(t, err)
	var log syncBuffer
	s := cluster.Start(t, cluster.Config{
		Kind: cluster.ProcessPerService, Program: binary, Output: io.MultiWriter(&log, t.Output()), AMQP: "amqp://troupe:secret@" + address + "/",
	})
	<-connected
	_, err = client.New(s.URL("gateway")).Register(t.Context(), "ada@example.com", password, "Ada")
	require.NoError(t, err)
	for _, node := range []string{"users", "orders"} {
		requireStops(t, s, node)
	}
	require.Contains(t, log.String(), "events are left in the outbox; they are published after the next start")
}

// A database that stops answering in the middle of the work.
func TestADatabaseThatFallsSilentDoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	if !rabbittest.Available(t) {
		t.Skip("the servers are left out")
	}
	binary, err := program()
	require.NoError(t, err)
	var log syncBuffer
	c := cluster.Config{Kind: cluster.ProcessPerService, Program: binary, Output: io.MultiWriter(&log, t.Output()), Databases: map[string]string{}}
	proxies := map[string]*rabbittest.Proxy{}
	for _, service := range cluster.Backends() {
		proxies[service] = rabbittest.NewProxy(t, sqldbtest.URLs(t)["postgres"])
		c.Databases[service] = proxies[service].URL
	}
	s := cluster.Start(t, c)
	for _, node := range []string{"orders", "users"} {
		proxies[node].Stall()
		requireStops(t, s, node)
	}
	require.Contains(t, log.String(), "the database of orders")
}

// A database that accepts the connection and is silent from the start.
func TestAStartThatWaitsForASilentDatabaseIsStopped(t *testing.T) {
	t.Parallel()
	address, connected := silentListener(t)
	binary, err := program()
	require.NoError(t, err)
	var log syncBuffer
	s, err := cluster.New(cluster.Config{
		Kind: cluster.ProcessPerService, Program: binary, Output: io.MultiWriter(&log, t.Output()), AMQP: "amqp://troupe:secret@" + address + "/",
		Databases: map[string]string{"orders": "postgres://troupe:secret@" + address + "/troupe?sslmode=disable"},
	})
	require.NoError(t, err)
	starting := make(chan error, 1)
	go func() { starting <- s.Start(t.Context(), "orders") }()
	<-connected
	requireStops(t, s, "orders")
	require.ErrorIs(t, <-starting, cluster.ErrEnded)
	require.Contains(t, log.String(), "stopped before it was ready")
	require.Contains(t, log.String(), "PostgreSQL at "+address[:len("127.0.0.1")])
}
