package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	updateInterval = 200 * time.Millisecond // of the line on a terminal
	lineInterval   = 10 * time.Second       // between lines in a file
)

// progress shows how far a command is, with the rate and, where the total is known, the time
// that is left: on a terminal as one line that is updated, elsewhere as a line every ten
// seconds. It is not for several goroutines.
type progress struct {
	out      io.Writer // nil shows nothing
	terminal bool
	what     string // is counted, for example "orders"
	now      func() time.Time

	began, shown time.Time
	open         bool // a line on the terminal is unfinished
}

// newProgress returns a progress on standard error, which is quiet where a program reads the
// output.
func newProgress(what string, quiet bool) *progress {
	if quiet {
		return &progress{now: time.Now}
	}
	info, err := os.Stderr.Stat()
	p := &progress{out: os.Stderr, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, what: what, now: time.Now}
	return p.start()
}

// start begins to measure.
func (p *progress) start() *progress {
	p.began = p.now()
	p.shown = p.began
	return p
}

// show shows that so many are done of a total, which is 0 if it is not known.
func (p *progress) show(done, total int64) {
	now := p.now()
	interval := lineInterval
	if p.terminal {
		interval = updateInterval
	}
	if p.out == nil || now.Sub(p.shown) < interval {
		return
	}
	p.shown = now
	line := describeProgress(p.what, done, total, now.Sub(p.began))
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	p.open = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", line)
}

// end clears the line, so that the next output begins at its start.
func (p *progress) end() {
	if p.open {
		p.open = false
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func describeProgress(what string, done, total int64, took time.Duration) string {
	rate := float64(done) / took.Seconds()
	switch {
	case total <= 0:
		return fmt.Sprintf("%d %s, %.0f/s", done, what, rate)
	case done <= 0 || done >= total:
		return fmt.Sprintf("%d of %d %s, %.0f/s", done, total, what, rate)
	default:
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		return fmt.Sprintf("%d of %d %s, %.0f/s, %s left", done, total, what, rate, max(left.Round(time.Second), time.Second))
	}
}
