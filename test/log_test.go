package test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/services"
	"troupe/test/cluster"
)

// startWithLogPipe runs `troupe up` with a pipe as its standard error, and returns the
// pipe's other end, the address of the users service and the process.
func startWithLogPipe(t *testing.T) (log *os.File, url string, up *exec.Cmd) {
	t.Helper()
	binary, err := program()
	require.NoError(t, err)
	log, pipe, err := os.Pipe()
	require.NoError(t, err)
	port, err := cluster.FreePort()
	require.NoError(t, err)
	up = exec.CommandContext(t.Context(), binary, upOnFreePorts(port)...)
	up.Env = append(os.Environ(), "LOG_LEVEL=info")
	up.Stderr = pipe
	require.NoError(t, up.Start())
	require.NoError(t, pipe.Close())
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	require.Eventually(t, func() bool {
		response, err := http.Get(url + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == 200
	}, 3*time.Minute, 20*time.Millisecond)
	return log, url, up
}

// upOnFreePorts returns the arguments of `troupe up` with a port for users, and any free
// ports for the other services.
func upOnFreePorts(users int) []string {
	args := []string{"up", "--ephemeral"}
	for _, service := range services.Names() {
		port := 0
		if service == "users" {
			port = users
		}
		args = append(args, "--port", fmt.Sprintf("%s=%d", service, port))
	}
	return args
}

// writeLog makes requests that are logged: together they fill the 64 KiB of a pipe.
func writeLog(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	for range 600 {
		response, err := client.Get(url + "/users/me")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 401, response.StatusCode)
	}
}

// A log shipper that hangs, or a terminal that is paused.
func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Parallel()
	log, url, up := startWithLogPipe(t)
	defer log.Close()
	writeLog(t, url)
	require.NoError(t, up.Process.Signal(syscall.SIGTERM))
	require.NoError(t, up.Wait(), "it stops in an orderly way")
}

// A log shipper that hangs for so long that its lines do not fit into memory.
func TestLogLinesThatWereDroppedAreCountedAndReported(t *testing.T) {
	t.Parallel()
	log, url, up := startWithLogPipe(t)
	defer log.Close()
	client := http.Client{Timeout: 10 * time.Second}
	get := func(path string) string {
		response, err := client.Get(url + path)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return string(text)
	}
	require.Contains(t, get("/metrics"), "\ntroupe_log_lines_dropped_total 0\n")
	long := "/" + strings.Repeat("x", 8000)
	for strings.Contains(get("/metrics"), "\ntroupe_log_lines_dropped_total 0\n") {
		for range 100 {
			get(long)
		}
	}
	require.Contains(t, get("/livez"), "ok", "it is live nevertheless")

	lines := bufio.NewScanner(log)
	for lines.Scan() && !strings.Contains(lines.Text(), "log lines were dropped") {
		continue
	}
	require.Contains(t, lines.Text(), `"lines":`)
	require.NoError(t, up.Process.Signal(syscall.SIGTERM))
	_, err := io.Copy(io.Discard, log)
	require.NoError(t, err)
	require.NoError(t, up.Wait())
}

// A log shipper that ends: the next write to the pipe has no reader.
func TestAReaderOfTheLogThatGoesAwayStopsNothing(t *testing.T) {
	t.Parallel()
	log, url, up := startWithLogPipe(t)
	require.NoError(t, log.Close())
	writeLog(t, url)
	require.NoError(t, up.Process.Signal(syscall.SIGTERM))
	require.NoError(t, up.Wait(), "it stops in an orderly way")
}
