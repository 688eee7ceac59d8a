package test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/test/cluster"
)

// hang sends half of a request to a service, and returns when the service waits for the rest.
func hang(t *testing.T, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
}

// The second Ctrl-C is ignored, and the program seems to hang (Kludex/uvicorn#280,
// k0sproject/k0sctl#877, scylladb/scylla-bench#21).
func TestTheSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   cluster.Kind
		node   string
		signal syscall.Signal
		code   int
	}{
		{cluster.OneProcess, cluster.AllInOne, syscall.SIGINT, 130},
		{cluster.ProcessPerService, "users", syscall.SIGTERM, 143},
		{cluster.Distributed, cluster.AllInOne, syscall.SIGINT, 130},
	} {
		binary, err := program()
		require.NoError(t, err)
		t.Run(c.node+" "+c.signal.String(), func(t *testing.T) {
			t.Parallel()
			s := cluster.Start(t, cluster.Config{Kind: c.kind, Program: binary, Settings: []string{
				"DRAIN_TIMEOUT=10m", "TROUPE_SLOW_CLIENT=10m",
			}})
			hang(t, s.URL("users"))
			ended := s.Ended(c.node)
			require.NoError(t, syscall.Kill(s.PID(c.node), c.signal))
			for waiting := true; waiting; { // again and again, as an impatient operator does
				select {
				case <-ended:
					waiting = false
				case <-time.After(100 * time.Millisecond):
					_ = syscall.Kill(s.PID(c.node), c.signal) // it may just have ended
				}
			}
			exit, ok := errors.AsType[*exec.ExitError](s.Exit(c.node))
			require.True(t, ok, "%v", s.Exit(c.node))
			require.Equal(t, c.code, exit.ExitCode())
			for _, service := range cluster.Backends() {
				if c.kind == cluster.Distributed {
					requireNothingListens(t, s.URL(service))
				}
			}
		})
	}
}

// `kill -HUP` used to end the program, with the services left to themselves.
func TestAHangupReloadsTheServicesOfADistributedSystem(t *testing.T) {
	t.Parallel()
	binary, err := program()
	require.NoError(t, err)
	var log syncBuffer
	s := startSystem(t, cluster.Config{Kind: cluster.Distributed, Program: binary, Output: &log, Settings: []string{"LOG_LEVEL=info"}})
	require.NoError(t, syscall.Kill(s.PID(cluster.AllInOne), syscall.SIGHUP))
	for _, service := range cluster.Backends() {
		require.Eventually(t, func() bool {
			return strings.Contains(log.String(), `"nothing to reload: this service reads no file again","service":"`+service+`"`)
		}, timeout, pollInterval, "%s does not reload", service)
	}
	s.newCustomer(t) // all of them run
}

// requireNothingListens waits until no process listens at the address.
func requireNothingListens(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 5*time.Second, 10*time.Millisecond, "%s still listens", url)
}
