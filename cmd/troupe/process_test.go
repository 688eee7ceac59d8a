//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shellProcess returns a service process that runs a shell script.
func shellProcess(script string) *process {
	p := newProcess("", "orders", map[string]string{"PATH": os.Getenv("PATH")}, "")
	p.command = []string{"sh", "-c", script}
	return p
}

func TestAServiceThatWasNeverReadyIsNotRestarted(t *testing.T) {
	t.Parallel()
	p := shellProcess("exit 3")
	require.EqualError(t, p.keepRunning(t.Context()), "orders did not start; the reason is in its output above (exit status 3)")
	require.False(t, waitUntilReady(cancelledContext(t), p))
}

func TestAServiceThatWasReadyIsRestartedHoweverItEnds(t *testing.T) {
	t.Parallel()
	starts := filepath.Join(t.TempDir(), "starts")
	// The second time it ends before it is ready.
	p := shellProcess("test -f " + starts + " || echo ready; echo started >> " + starts + "; exit 3")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.keepRunning(ctx) }()
	require.Eventually(t, func() bool {
		kept, err := os.ReadFile(starts)
		return err == nil && strings.Count(string(kept), "started") >= 3
	}, time.Minute, 10*time.Millisecond)
	require.True(t, waitUntilReady(t.Context(), p))
	stop()
	require.NoError(t, <-ended)
}

func cancelledContext(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}
