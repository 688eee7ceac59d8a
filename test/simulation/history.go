package simulation

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// history is the log of a run, a line for each thing that happened.
type history struct {
	step   int
	lines  []string
	passed time.Duration // the time of the last line, if that only records that time passed; else 0
}

// wait records that time passed, in the last line if that is about time too.
func (h *history) wait(at, d time.Duration) {
	passed := h.passed + d
	if h.passed > 0 {
		h.lines = h.lines[:len(h.lines)-1]
	}
	h.add(at, "time", passed.String()+" pass")
	h.passed = passed
}

// add adds a line.
func (h *history) add(at time.Duration, who, what string) {
	h.passed = 0
	h.lines = append(h.lines, fmt.Sprintf("%5d %9.3fs  %-13s %s", h.step, at.Seconds(), who, what))
}

// fingerprint returns a hash of the history.
func (h *history) fingerprint() uint64 {
	sum := fnv.New64a()
	for _, line := range h.lines {
		_, _ = sum.Write([]byte(line)) // never fails
	}
	return sum.Sum64()
}

// lastLines returns the end of the history, or all of it if it is not long.
func lastLines(lines []string, most int) string {
	if len(lines) > most {
		lines = append([]string{fmt.Sprintf("(%d lines left out)", len(lines)-most)}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}
