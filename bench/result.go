package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Result is all that a run of the bench has measured.
type Result struct {
	At         time.Time   `json:"at"`
	Go         string      `json:"go"`
	Cores      int         `json:"cores"`
	Shape      string      `json:"shape"`
	Orders     int         `json:"orders_per_round"`
	Candidates []Candidate `json:"candidates"`
}

// Candidate is what was measured of one revision.
type Candidate struct {
	Revision string  `json:"revision"`
	Rounds   []Round `json:"rounds"`
	Growth   []Point `json:"growth,omitempty"`
}

func newResult(o options, all candidates) *Result {
	r := &Result{At: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), Cores: runtime.NumCPU(), Shape: shapeOf(o), Orders: o.orders}
	for _, c := range all {
		r.Candidates = append(r.Candidates, Candidate{Revision: c.name})
	}
	return r
}

func shapeOf(o options) string {
	if o.apart {
		return "a process for each service, PostgreSQL and RabbitMQ"
	}
	return "one process, SQLite"
}

// measureRounds measures the candidates in turns, which begin with another one each time.
func measureRounds(ctx context.Context, o options, all candidates) error {
	result := newResult(o, all)
	for round := range o.rounds {
		for turn := range all {
			i := (round + turn) % len(all)
			logf("round %d of %d: %s", round+1, o.rounds, all[i].name)
			measured, err := measureRound(ctx, o, all[i])
			if err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
			result.Candidates[i].Rounds = append(result.Candidates[i].Rounds, measured)
			logf("%.0f orders/s, %.0f us CPU for each", measured.Completed, measured.CPU)
		}
	}
	for _, c := range result.Candidates {
		c.print(result.Shape)
	}
	return result.save(o, "orders", result.plotRounds())
}

// save writes the result as JSON and its plot.
func (r *Result) save(o options, kind, svg string) error {
	if err := os.MkdirAll(o.out, 0o750); err != nil {
		return err
	}
	shape := "together"
	if o.apart {
		shape = "apart"
	}
	name := filepath.Join(o.out, kind+"-"+shape)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".json", append(text, '\n'), 0o600); err != nil {
		return err
	}
	fmt.Println("\nwritten to", name+".json and .svg")
	return os.WriteFile(name+".svg", []byte(svg), 0o600)
}

// spread is a figure of several rounds.
type spread struct{ median, least, most float64 }

func (c Candidate) spread(figure func(Round) float64) spread {
	var all []float64
	for _, r := range c.Rounds {
		all = append(all, figure(r))
	}
	slices.Sort(all)
	return spread{all[len(all)/2], all[0], all[len(all)-1]}
}

func (c Candidate) print(shape string) {
	fmt.Printf("\n%s, %s: median of %d rounds [least to most]\n", c.Revision, shape, len(c.Rounds))
	for _, line := range lines {
		s := c.spread(line.figure)
		if s.most > 0 {
			fmt.Printf("  %-34s %10.*f [%.*f to %.*f] %s\n", line.title, line.digits, s.median, line.digits, s.least, line.digits, s.most, line.unit)
		}
	}
	for _, name := range names(c.Rounds[0].Parts) {
		s := c.spread(func(r Round) float64 { return r.Parts[name] })
		fmt.Printf("  %-34s %10.0f [%.0f to %.0f] us\n", "CPU of "+name, s.median, s.least, s.most)
	}
}

// line is a line of the printed result.
type line struct {
	title, unit string
	digits      int
	figure      func(Round) float64
}

var lines = []line{
	{"raw SQLite", "transactions/s", 0, func(r Round) float64 { return r.Raw.SQLite }},
	{"raw PostgreSQL", "transactions/s", 0, func(r Round) float64 { return r.Raw.Postgres }},
	{"raw RabbitMQ", "messages/s", 0, func(r Round) float64 { return r.Raw.RabbitMQ }},
	{"first start", "ms", 0, func(r Round) float64 { return r.FirstStart }},
	{"memory, idle", "MB", 0, func(r Round) float64 { return r.IdleMemory }},
	{"memory, at most", "MB", 0, func(r Round) float64 { return r.PeakMemory }},
	{"accepted", "orders/s", 0, func(r Round) float64 { return r.Accepted }},
	{"completed", "orders/s", 0, func(r Round) float64 { return r.Completed }},
	{"half load", "orders/s", 0, func(r Round) float64 { return r.half().Rate }},
	{"  accepted after, p50", "ms", 1, func(r Round) float64 { return r.half().Accept.P50 }},
	{"  accepted after, p99", "ms", 1, func(r Round) float64 { return r.half().Accept.P99 }},
	{"  from accepted to paid, p50", "ms", 1, func(r Round) float64 { return r.half().ToPaid.P50 }},
	{"  from accepted to paid, p99", "ms", 1, func(r Round) float64 { return r.half().ToPaid.P99 }},
	{"rows written for an order", "", 1, func(r Round) float64 { return r.written().AllRows }},
	{"WAL records for an order", "", 0, func(r Round) float64 { return r.written().WALRecords }},
	{"WAL for an order", "bytes", 0, func(r Round) float64 { return r.written().WALBytes }},
	{"messages for an order", "", 2, func(r Round) float64 { return r.written().Messages }},
	{"databases grow for an order by", "bytes", 0, func(r Round) float64 { return r.DiskPerOrder }},
	{"written to the device for an order", "bytes", 0, func(r Round) float64 { return r.WrittenToDevice }},
	{"CPU for an order, load included", "us", 0, func(r Round) float64 { return r.CPU }},
}

func (r Round) half() HalfLoad {
	return *cmp.Or(r.Half, &HalfLoad{})
}

func (r Round) written() Written {
	return *cmp.Or(r.Written, &Written{})
}
