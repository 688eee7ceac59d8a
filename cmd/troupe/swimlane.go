package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"troupe/client"
)

// paper is what the swimlane is drawn on.
type paper struct {
	io.Writer
	color bool
	width int // in characters; 0: no limit
}

// paperOf returns the paper for a file: a terminal has colours, unless NO_COLOR is set, and
// a width, if COLUMNS states it.
func paperOf(f *os.File) paper {
	p := paper{Writer: f}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return p
	}
	p.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		p.width = columns
	}
	return p
}

// The colours of the steps.
const (
	red    = "31"
	yellow = "33"
	cyan   = "36"
	gray   = "90"
)

func (p paper) paint(color, text string) string {
	if !p.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// swimlane draws the story of an order: a column for each service, and a row for each step.
type swimlane struct {
	paper
	story  client.Story
	column map[string]int    // of a lane, in characters
	lanes  int               // characters of all lanes
	emits  map[string]string // the lane in which an event was published
}

const timeWidth = 11 // characters in front of the lanes

// printStory prints the story of an order.
func printStory(p paper, s client.Story) {
	fmt.Fprintf(p, "order %s  %s, %s\n%s\n", s.ID, s.Status, s.Total, s.Verdict)
	for _, note := range s.Notes {
		fmt.Fprintln(p, p.paint(yellow, "note: "+note))
	}
	if len(s.Steps) == 0 {
		return
	}
	d := swimlane{paper: p, story: s, column: map[string]int{}, emits: map[string]string{}}
	header := ""
	for _, lane := range s.Lanes {
		d.column[lane] = utf8.RuneCountInString(header)
		header += lane + "  "
	}
	d.lanes = len(header)
	for _, step := range s.Steps {
		if step.Kind == "emit" {
			d.emits[step.EventID] = step.Lane
		}
	}
	fmt.Fprintf(p, "\n%s%s\n", strings.Repeat(" ", timeWidth), strings.TrimRight(header, " "))
	for _, step := range s.Steps {
		d.print(step)
	}
	fmt.Fprintf(p, "\n%s\n", p.paint(gray, "● published  ○ handled  ✗ failed  ◌ duplicate  ↩ undoes  ? expected"))
}

func (d swimlane) print(s client.StoryStep) {
	at := "+" + elapsed(s.At.Sub(d.story.Steps[0].At))
	if s.Ghost {
		at = ""
	}
	text := d.text(s)
	if d.width > 0 {
		text = cut(text, d.width-timeWidth-d.lanes)
	}
	line := fmt.Sprintf("%*s  %s%s", timeWidth-2, at, d.row(s), d.paint(colorOf(s), text))
	fmt.Fprintln(d, strings.TrimRight(line, " "))
	for _, f := range d.story.Folds {
		if f.After == s.ID {
			fmt.Fprintf(d, "%*s  %s\n", timeWidth-2, "", d.paint(gray, "┄┄ "+elapsed(time.Duration(f.TookMicros)*time.Microsecond)+" in which nothing happened ┄┄"))
		}
	}
}

// row returns the lanes with the step in its own. A line leads to it from the lane of the
// service that published the event.
func (d swimlane) row(s client.StoryStep) string {
	cells := []rune(strings.Repeat(" ", d.lanes))
	for _, column := range d.column {
		cells[column] = '│'
	}
	here := d.column[s.Lane]
	if from, known := d.emits[s.EventID]; s.Kind == "handle" && known && from != s.Lane {
		drawArrow(cells, d.column[from], here, s.Compensation)
	}
	cells[here] = glyph(s)
	return string(cells)
}

func drawArrow(cells []rune, from, to int, dashed bool) {
	line, start, head := '─', '├', '▶'
	if dashed {
		line = '╌'
	}
	low, high := from+1, to
	if to < from {
		start, head = '┤', '◀'
		low, high = to+1, from
	}
	for i := low; i < high; i++ {
		if cells[i] == '│' {
			cells[i] = '┼'
		} else {
			cells[i] = line
		}
	}
	cells[from] = start
	if to > from {
		cells[to-1] = head
	} else {
		cells[to+1] = head
	}
}

func glyph(s client.StoryStep) rune {
	switch {
	case s.Ghost:
		return '?'
	case s.Kind == "emit":
		return '●'
	case s.Outcome == "duplicate":
		return '◌'
	case s.Outcome == "retry", s.Outcome == "dead":
		return '✗'
	}
	return '○'
}

func colorOf(s client.StoryStep) string {
	switch {
	case s.Ghost:
		return gray
	case s.Outcome == "dead", s.Outcome == "retry":
		return red
	case s.Compensation:
		return yellow
	case s.Kind == "emit":
		return cyan
	}
	return ""
}

// text returns what stands beside the lanes.
func (d swimlane) text(s client.StoryStep) string {
	text := s.Label
	if s.Compensation {
		text = "↩ " + text
	}
	if waited := time.Duration(s.WaitedMicros) * time.Microsecond; waited >= time.Second {
		text += " (waited " + elapsed(waited) + ")"
	}
	if s.Error != "" {
		text += ": " + strings.Join(strings.Fields(s.Error), " ")
	}
	return text
}

// elapsed returns a duration in the unit in which it is short.
func elapsed(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// cut returns text in at most width characters, and at least some.
func cut(text string, width int) string {
	runes := []rune(text)
	width = max(width, 20)
	if len(runes) <= width {
		return text
	}
	return string(slices.Concat(runes[:width-1], []rune("…")))
}
