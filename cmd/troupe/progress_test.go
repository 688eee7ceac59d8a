package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// progressAt returns a progress into a buffer, and what sets its clock.
func progressAt(terminal bool) (p *progress, out *bytes.Buffer, after func(time.Duration)) {
	began := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	now := began
	out = &bytes.Buffer{}
	p = (&progress{out: out, terminal: terminal, what: "orders", now: func() time.Time { return now }}).start()
	return p, out, func(d time.Duration) { now = began.Add(d) }
}

func TestProgressInAFileIsALineEveryTenSeconds(t *testing.T) {
	t.Parallel()
	p, out, after := progressAt(false)
	for _, second := range []int64{1, 5, 10, 11, 19, 20} {
		after(time.Duration(second) * time.Second)
		p.show(50*second, 1500)
	}
	p.end()
	require.Equal(t, "500 of 1500 orders, 50/s, 20s left\n1000 of 1500 orders, 50/s, 10s left\n", out.String())
}

func TestProgressOnATerminalIsOneLineThatIsClearedAtTheEnd(t *testing.T) {
	t.Parallel()
	p, out, after := progressAt(true)
	after(100 * time.Millisecond)
	p.show(5, 100)
	require.Empty(t, out.String(), "what is over at once shows nothing")
	after(time.Second)
	p.show(50, 100)
	after(2 * time.Second)
	p.show(100, 100)
	p.end()
	p.end()
	require.Equal(t, "\r\x1b[K50 of 100 orders, 50/s, 1s left\r\x1b[K100 of 100 orders, 50/s\r\x1b[K", out.String())
}

func TestProgressOfAnUnknownTotalHasNoTimeLeft(t *testing.T) {
	t.Parallel()
	p, out, after := progressAt(false)
	after(10 * time.Second)
	p.show(70, 0)
	require.Equal(t, "70 orders, 7/s\n", out.String())
}

func TestProgressIsQuietForPrograms(t *testing.T) {
	t.Parallel()
	p := newProgress("orders", true)
	p.now = func() time.Time { return time.Now().Add(time.Hour) }
	p.show(1, 2)
	p.end()
	require.Nil(t, p.out)
	require.False(t, p.open)
}
