package journal_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/journal"
	"troupe/platform/telemetry"
)

type orderKey struct{}

// aboutOrder returns the attributes of a context that names an order.
func aboutOrder(ctx context.Context) []slog.Attr {
	if id, ok := ctx.Value(orderKey{}).(string); ok {
		return []slog.Attr{slog.String("event_id", "e9"), slog.String("order_id", id)}
	}
	return nil
}

// logOf returns the log of payments, whose lines the journal records, and what is written.
func logOf(o *observed) (log *slog.Logger, written *bytes.Buffer) {
	written = &bytes.Buffer{}
	return o.Recorder("payments").Logger(slog.New(slog.NewTextHandler(written, nil)), aboutOrder), written
}

func TestALineOfTheLogAboutAnOrderIsRecorded(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	log, written := logOf(o)
	ctx := telemetry.WithTraceparent(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	log.With("order_id", "1", "event_id", "e1").WarnContext(ctx, "event failed", "attempts", 3, "error", errors.New("connection refused"))
	log.InfoContext(context.WithValue(ctx, orderKey{}, "2"), "hello")
	o.step(t, time.Second)
	require.Len(t, o.records, 2)
	first := o.records[0]
	require.Equal(t, journal.Logged, first.Kind)
	require.Equal(t, []string{"payments", "1"}, []string{first.Service, first.OrderID})
	require.Equal(t, &journal.Line{
		Level: "WARN", Text: "event failed", EventID: "e1", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Details: map[string]string{"attempts": "3", "error": "connection refused"},
	}, first.Line)
	require.Equal(t, []string{"2", "e9"}, []string{o.records[1].OrderID, o.records[1].Line.EventID}, "the context names the order")
	require.Equal(t, 2, strings.Count(written.String(), "\n"), "they are in the log as well")
}

func TestLinesAboutNoOrderAreNotRecorded(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	log, written := logOf(o)
	log.Warn("the broker is away")
	log.Debug("details", "order_id", "1")
	o.step(t, time.Second)
	require.Empty(t, o.records)
	require.Contains(t, written.String(), "the broker is away")
}

func TestUnderLoadLinesAreLeftOutWithTheirOrder(t *testing.T) {
	t.Parallel()
	o := observe(t, 1)
	for range 100 {
		publish(o.Recorder("orders"), "1", o.now)
	}
	o.step(t, time.Second)
	o.records = nil
	log, _ := logOf(o)
	kept := 0
	for n := range 1000 {
		log.Error("event is a dead letter", "order_id", strings.Repeat("x", n+1))
	}
	o.step(t, time.Second)
	for _, r := range o.records {
		if r.Kind == journal.Logged {
			kept++
		}
	}
	require.Less(t, kept, 200)
	require.Positive(t, o.lost(), "a gap reports it")
}

func TestALineHasNothingSecretOrPersonal(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	log, _ := logOf(o)
	log.Warn("no mail to ada@example.com", "order_id", "1", "email", "ada", "client", "192.0.2.1", "peer", "192.0.2.1:443",
		"error", errors.New("pm_card_visa refused by postgres://shop:hunter2@db/orders"), "attempts", 2)
	o.step(t, time.Second)
	require.Equal(t, "no mail to [redacted]", o.records[0].Line.Text)
	require.Equal(t, map[string]string{
		"email": "[redacted]", "client": "[redacted]", "peer": "[redacted]", "error": "[redacted] refused by postgres://[redacted]db/orders", "attempts": "2",
	}, o.records[0].Line.Details)
}

func TestALongLineIsCut(t *testing.T) {
	t.Parallel()
	o := observe(t, 500)
	log, _ := logOf(o)
	log.Warn(strings.Repeat("ä", 5000), "order_id", "1", "error", strings.Repeat("x", 5000))
	o.step(t, time.Second)
	require.Less(t, len(o.records[0].Line.Text)+len(o.records[0].Line.Details["error"]), 4100)
}
