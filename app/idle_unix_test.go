//go:build unix

package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

const (
	idleConnections = 10_000
	idleMemory      = 250_000_000 // bytes
	serveIdle       = "TROUPE_TEST_SERVE_IDLE"
)

func TestTenThousandIdleConnectionsTakeLessThan250MB(t *testing.T) {
	if os.Getenv(serveIdle) != "" {
		serveUntilEndOfInput(t)
		return
	}
	if raceDetector {
		t.Skip("the race detector takes several times the memory; CI runs this test without it too")
	}
	var files syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Max < idleConnections+100 {
		t.Skipf("this process may open %d files, fewer than the connections; raise ulimit -n", files.Max)
	}
	service := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	service.Env = append(os.Environ(), serveIdle+"=1")
	stdin, err := service.StdinPipe()
	require.NoError(t, err)
	stdout, err := service.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, service.Start())
	serviceURL, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	before := residentMemory(t, service.Process.Pid)
	for range idleConnections {
		conn := dial(t, strings.TrimSpace(serviceURL))
		_, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		_, err = http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
		require.NoError(t, err)
	}
	after := residentMemory(t, service.Process.Pid)
	t.Logf("%d bytes before, %d with %d idle connections: %d for each", before, after, idleConnections, (after-before)/idleConnections)
	require.Less(t, after, idleMemory)
	require.NoError(t, stdin.Close())
	require.NoError(t, service.Wait())
}

// serveUntilEndOfInput is the process that the connections are made to.
func serveUntilEndOfInput(t *testing.T) {
	s, err := Start(context.Background(), config(t, Service{Name: "orders", Build: func(Env) (Components, error) {
		return Components{Routes: func(*httpapi.API) {}}, nil
	}}))
	require.NoError(t, err)
	_, err = fmt.Fprintln(os.Stdout, s.URL("orders"))
	require.NoError(t, err)
	_, err = io.ReadAll(os.Stdin)
	require.NoError(t, err)
	_ = s.Stop() // the connections are cut off
}

// residentMemory returns the memory that a process takes, in bytes.
func residentMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("only Linux tells the memory of a process in /proc")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kilobytes << 10
}
