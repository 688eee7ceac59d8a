package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// storyOf returns an order as the console's API returns it.
func storyOf(t *testing.T, name string) (s client.Story) {
	t.Helper()
	text, err := os.ReadFile("../../services/console/ui/testdata/" + name + ".json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

func drawn(p paper, s client.Story) string {
	var out bytes.Buffer
	p.Writer = &out
	printStory(p, s)
	return out.String()
}

func TestASwimlaneHasAColumnForEachService(t *testing.T) {
	t.Parallel()
	text := drawn(paper{}, storyOf(t, "order-declined"))
	require.Contains(t, text, "Cancelled after 1.2 s: the card was declined.")
	require.Contains(t, text, "           orders  inventory  payments  notifications\n")
	require.Contains(t, text, "      +0s  ●       │          │         │")
	require.Contains(t, text, "├──────▶○          │         │              inventory handles order.created\n")
	require.Contains(t, text, "├╌╌╌╌╌╌▶○", "a compensation has a dashed line")
	require.Contains(t, text, "○◀──────┤", "what inventory publishes leads back to orders")
	require.Contains(t, text, "↩ inventory publishes stock.released")
	require.Contains(t, text, "in which nothing happened")
	require.NotContains(t, text, "\x1b", "there are no colours outside of a terminal")
}

func TestASwimlaneShowsFailuresAndWhatIsExpected(t *testing.T) {
	t.Parallel()
	text := drawn(paper{}, storyOf(t, "order-retrying"))
	require.Contains(t, text, "✗")
	require.Contains(t, text, "attempt 3: failed")
	require.Contains(t, text, "connection refused")
	require.Contains(t, text, "?")
	require.Contains(t, text, "payments tries order.created again at 10:02:11 UTC")
}

func TestASwimlaneFitsIntoTheTerminal(t *testing.T) {
	t.Parallel()
	text := drawn(paper{width: 100}, storyOf(t, "order-retrying"))
	_, steps, found := strings.Cut(text, "\n\n")
	require.True(t, found)
	for line := range strings.Lines(steps) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 100, line)
	}
	require.Contains(t, text, "…")
}

func TestATerminalHasColours(t *testing.T) {
	t.Parallel()
	require.Contains(t, drawn(paper{color: true}, storyOf(t, "order-retrying")), "\x1b[31m")
}

func TestAnEntryIsALine(t *testing.T) {
	t.Parallel()
	e := client.Entry{Kind: "handled", Service: "payments", Type: "order.created.v1", Attempt: 2, Outcome: "retry", Error: "connection\nrefused", OrderID: "o1"}
	line := entryLine(paper{}, e)
	require.Contains(t, line, "payments       handles order.created.v1, attempt 2: failed: connection refused  o1")
	require.NotContains(t, line, "\n")
}

func TestTheLogOfAnOrderIsPrintedBelowIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printLines(paper{Writer: &out}, storyOf(t, "order-retrying").Lines)
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d\.\d{3} WARN  payments +event failed and will be retried attempts="1" error="dial tcp .*" type="order\.created\.v1"$`, out.String())
	out.Reset()
	printLines(paper{Writer: &out}, nil)
	require.Contains(t, out.String(), "No service has logged anything")
}
