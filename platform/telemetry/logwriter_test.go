package telemetry_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/telemetry"
)

// reader is the other end of a log. It can stop reading for a while, or go away.
type reader struct {
	mu     sync.Mutex
	got    bytes.Buffer
	failed error
	writes int
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if r.failed != nil {
		return 0, r.failed
	}
	return r.got.Write(p)
}

func (r *reader) lines() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.got.String(), "\n")
}

func TestLinesAreWrittenInOrderAndTogether(t *testing.T) {
	t.Parallel()
	var to reader
	w := telemetry.NewLogWriter(&to, 1<<20, func(int) {})
	var want strings.Builder
	for i := range 1000 {
		line := strings.Repeat("x", i%50) + "\n"
		want.WriteString(line)
		_, err := io.WriteString(w, line)
		require.NoError(t, err)
	}
	require.True(t, w.Close(time.Minute))
	require.Equal(t, want.String(), to.got.String())
	require.LessOrEqual(t, to.writes, 1000)
}

// A pipe that is not drained: the 64 KiB of the pipe fill up, and writes never end.
func TestAReaderThatStopsReadingDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, in := io.Pipe() // a write waits until it is read
		var reported int
		w := telemetry.NewLogWriter(in, 1000, func(lines int) { reported += lines })
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range 50 {
			_, err := w.Write(line)
			require.NoError(t, err)
		}
		require.False(t, w.Close(time.Second), "a stop waits only so long")
		var got bytes.Buffer
		go func() { _, _ = io.Copy(&got, out) }()
		synctest.Wait()
		require.NoError(t, in.Close())
		synctest.Wait()
		require.LessOrEqual(t, got.Len(), 2000)
		require.Equal(t, 50, strings.Count(got.String(), "\n")+reported, "what is missing was counted")
		require.Equal(t, reported, w.Dropped())
	})
}

// One line is written at once, those that follow within the next moment together.
func TestTheLinesOfABusyProgramAreWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to reader
		w := telemetry.NewLogWriter(&to, 10_000, func(int) {})
		for range 100 {
			_, _ = io.WriteString(w, "line\n")
			synctest.Wait()
		}
		require.Equal(t, 1, to.lines(), "the first does not wait")
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 100, to.lines())
		require.Equal(t, 2, to.writes)
		time.Sleep(time.Second)
		_, _ = io.WriteString(w, strings.Repeat("x", 6000)+"\n")
		_, _ = io.WriteString(w, "line\n")
		synctest.Wait()
		require.Equal(t, 102, to.lines(), "what takes more than half of the room does not wait")
		_, _ = io.WriteString(w, "last\n")
		require.True(t, w.Close(time.Millisecond), "nor does the end")
		require.Equal(t, 103, to.lines())
	})
}

func TestDroppedLinesAreReportedWhenTheReaderIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := reader{failed: errors.New("no space left on device")}
		var w *telemetry.LogWriter
		w = telemetry.NewLogWriter(&to, 1000, func(lines int) { _, _ = io.WriteString(w, strings.Repeat("d", lines)+"\n") })
		for range 3 {
			_, _ = io.WriteString(w, "lost\n")
			time.Sleep(time.Second)
		}
		to.mu.Lock()
		to.failed = nil
		to.mu.Unlock()
		_, _ = io.WriteString(w, "kept\n")
		synctest.Wait()
		require.True(t, w.Close(time.Second))
		require.Equal(t, "kept\nddd\n", to.got.String())
		require.Equal(t, 2, to.lines())
		require.Equal(t, 3, w.Dropped())
	})
}
