package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALogLineCarriesItsRequestAndTraceIDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := Logger(&out, slog.LevelInfo, Auto).With("service", "orders")
	ctx := WithRequestID(WithTraceparent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "r1")
	log.DebugContext(ctx, "below the level")
	log.InfoContext(ctx, "hello", "n", 1)

	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Subset(t, line, map[string]any{
		"msg": "hello", "n": 1.0, "service": "orders", "request_id": "r1",
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
	})
}

func TestALogLineWithoutAContextCarriesNoIDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Logger(&out, slog.LevelInfo, Text).WithGroup("g").Info("hello", "n", 1)
	require.Contains(t, out.String(), "hello g.n=1\n")
}

// A person at a terminal finds the service and what happened in the same columns of each line.
func TestALineOnATerminalIsForAPerson(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	event := func(context.Context) []slog.Attr { return []slog.Attr{slog.String("order_id", "o1")} }
	log := Logger(&out, slog.LevelInfo, Text, event).With("service", "orders", "replica", 2)
	log.Debug("below the level")
	log.Info("request", "path", "/orders", "status", 201)
	log.Error("two\nlines", "error", "broken \x1b[31m")
	lines := strings.Split(out.String(), "\n")
	require.Len(t, lines, 3)
	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3} INFO  orders        request replica=2 path=/orders status=201 order_id=o1$`, lines[0])
	require.Regexp(t, `^\S+ ERROR orders        two lines replica=2 error="broken \\x1b\[31m" order_id=o1$`, lines[1])
}

func TestLogsToAFileAreJSON(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	Logger(f, slog.LevelInfo, Auto).Info("hello")
	written, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.True(t, json.Valid(written))
}

func TestAnUnknownLogFormatIsRefused(t *testing.T) {
	t.Parallel()
	var f Format
	require.NoError(t, f.UnmarshalText([]byte("json")))
	require.Equal(t, JSON, f)
	require.ErrorContains(t, f.UnmarshalText([]byte("xml")), `"xml"`)
	require.Equal(t, JSON, f)
}
