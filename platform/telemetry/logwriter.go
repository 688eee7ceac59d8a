package telemetry

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// LogWriter passes log lines on to another writer without ever waiting for it: a reader
// of the log that stops reading must not stop the program. It holds a bounded number of
// bytes. Lines that do not fit, and those that cannot be written, are dropped and
// counted. It is safe for concurrent use.
type LogWriter struct {
	to     io.Writer
	most   int // bytes
	report func(lines int)
	wake   chan struct{} // there is something to do
	hurry  chan struct{} // not even a pause may pass first
	ended  chan struct{}

	mu      sync.Mutex
	waiting []byte
	dropped int // lines that the report does not contain yet
	total   int // all lines that were dropped
	closed  bool
}

// gather is the pause between two writes, in which the lines of a busy program gather: a
// system call for each line would cost more than all else about it. A line after a longer
// silence is written at once.
const gather = 20 * time.Millisecond

// NewLogWriter returns a writer to that holds at most that many bytes, and starts its
// goroutine, which Close ends. When lines were dropped, report is called with their
// number as soon as there is room again; it may log.
func NewLogWriter(to io.Writer, most int, report func(lines int)) *LogWriter {
	w := &LogWriter{to: to, most: most, report: report, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), ended: make(chan struct{})}
	go w.run()
	return w
}

// Write takes a line. It never fails, because a program must not stop for its log.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.waiting)+len(line) > w.most {
		w.dropped++
		w.total++
	} else {
		w.waiting = append(w.waiting, line...)
	}
	half := len(w.waiting) > w.most/2
	w.mu.Unlock()
	notify(w.wake)
	if half {
		notify(w.hurry)
	}
	return len(line), nil
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // the goroutine is about to look anyway
	}
}

// Close writes what is left, for at most that long, and reports whether all was written.
// Later lines are dropped.
func (w *LogWriter) Close(longest time.Duration) bool {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	notify(w.wake)
	notify(w.hurry)
	select {
	case <-w.ended:
		return true
	case <-time.After(longest):
		return false
	}
}

// run writes what has gathered.
func (w *LogWriter) run() {
	defer close(w.ended)
	var lines []byte
	pause := time.NewTimer(0)
	defer pause.Stop()
	for range w.wake {
		select {
		case <-pause.C:
		case <-w.hurry:
		}
		pause.Reset(gather)
		var closed bool
		lines, closed = w.take(lines)
		w.pass(lines)
		if closed {
			return
		}
	}
}

// take returns all lines that wait, and keeps the given buffer for the next ones.
func (w *LogWriter) take(empty []byte) (lines []byte, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.waiting = w.waiting, empty[:0]
	return lines, w.closed
}

func (w *LogWriter) pass(lines []byte) {
	if len(lines) > 0 {
		if n, err := w.to.Write(lines); err != nil {
			w.drop(bytes.Count(lines[n:], []byte{'\n'}))
			return // it is reported when a later write succeeds
		}
	}
	if lost := w.takeDropped(); lost > 0 {
		w.report(lost)
	}
}

func (w *LogWriter) drop(lines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped += lines
	w.total += lines
}

// Dropped returns how many lines were dropped so far.
func (w *LogWriter) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

func (w *LogWriter) takeDropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := w.dropped
	w.dropped = 0
	return lost
}
