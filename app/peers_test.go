package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var errRefused = errors.New("connection refused")

// three returns three replicas of one host; connections to those that answer are counted.
func three(answering ...string) (replicaDialer, map[string]int) {
	answered := map[string]int{}
	return replicaDialer{
		lookup: func(context.Context, string) ([]string, error) {
			return []string{"10.0.0.1", "10.0.0.2", "fd00::3"}, nil
		},
		connect: func(_ context.Context, _, address string) (net.Conn, error) {
			if !slices.Contains(answering, address) {
				return nil, &net.OpError{Op: "dial", Err: errRefused}
			}
			answered[address]++
			return nil, nil //nolint:nilnil // no data is sent on it
		},
	}, answered
}

func TestConnectionsSpreadOverTheReplicas(t *testing.T) {
	t.Parallel()
	r, answered := three("10.0.0.1:8002", "10.0.0.2:8002", "[fd00::3]:8002")
	for range 300 {
		_, err := r.dial(t.Context(), "tcp", "orders:8002")
		require.NoError(t, err)
	}
	require.Len(t, answered, 3)
	for replica, n := range answered {
		require.Greater(t, n, 50, replica)
	}
}

func TestAReplicaThatIsGoneIsSkipped(t *testing.T) {
	t.Parallel()
	r, answered := three("10.0.0.2:8002")
	for range 30 {
		_, err := r.dial(t.Context(), "tcp", "orders:8002")
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int{"10.0.0.2:8002": 30}, answered)
}

// A dial error tells the gateway that a request never reached the service, so that it
// may retry it.
func TestNoReplicaAnsweringIsADialError(t *testing.T) {
	t.Parallel()
	var op *net.OpError
	gone, _ := three()
	_, err := gone.dial(t.Context(), "tcp", "orders:8002")
	require.ErrorIs(t, err, errRefused)
	require.ErrorAs(t, err, &op)
	require.Equal(t, "dial", op.Op)

	gone.lookup = func(context.Context, string) ([]string, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "orders"}
	}
	_, err = gone.dial(t.Context(), "tcp", "orders:8002")
	op = nil
	require.ErrorAs(t, err, &op)
	require.Equal(t, "dial", op.Op)
}

func TestAConnectionIsRenewedOnceInAWhile(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	var sent int
	client := newTransport(nil)
	client.last = func() bool { sent++; return sent%4 == 0 }
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	for range 12 {
		response, err := client.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	require.EqualValues(t, 3, connections.Load())
	require.False(t, request.Close, "a request belongs to who made it")
}

// A replica that drains closes its idle connections in the end. A request that
// went out on one in that moment would be lost.
func TestIdleConnectionsAreGivenUpWhenAReplicaLeaves(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/together":
			arrived <- struct{}{}
			<-answer // an answer sooner would free its connection for the next request
		case "/leaving":
			w.Header().Set("Connection", "close")
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		default:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newTransport(nil)
	client.last = func() bool { return false }
	get := func(path string) error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.RoundTrip(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	answered := make(chan error, 3)
	for range 3 {
		go func() { answered <- get("/together") }()
	}
	for range 3 {
		<-arrived
	}
	close(answer)
	for range 3 {
		require.NoError(t, <-answered)
	}
	require.EqualValues(t, 3, open.Load())
	require.NoError(t, get("/leaving"))
	require.Eventually(t, func() bool { return open.Load() == 0 }, waitLimit, waitStep)
}
