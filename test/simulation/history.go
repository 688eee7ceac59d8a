package simulation

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// history is what happened, a line for each thing that somebody did.
type history struct {
	step   int
	lines  []string
	passed time.Duration // if the last line only says that time passed: how much
}

// wait adds that time passed, to the last line if that says so too.
func (h *history) wait(at, d time.Duration) {
	passed := h.passed + d
	if h.passed > 0 {
		h.lines = h.lines[:len(h.lines)-1]
	}
	h.add(at, "time", passed.String()+" pass")
	h.passed = passed
}

func (h *history) add(at time.Duration, who, what string) {
	h.passed = 0
	h.lines = append(h.lines, fmt.Sprintf("%5d %9.3fs  %-13s %s", h.step, at.Seconds(), who, what))
}

// fingerprint is the same for the same history.
func (h *history) fingerprint() uint64 {
	sum := fnv.New64a()
	for _, line := range h.lines {
		_, _ = sum.Write([]byte(line)) // never fails
	}
	return sum.Sum64()
}

// tail is the end of the history, or all of it if it is not long.
func tail(lines []string, most int) string {
	if len(lines) > most {
		lines = append([]string{fmt.Sprintf("(%d lines left out)", len(lines)-most)}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}
