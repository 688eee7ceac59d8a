// Command simulate runs the whole system under simulated faults until an
// invariant is violated, and prints the shortest run that it found to do so.
//
//	go run ./cmd/simulate -seeds 1000 -workers 4
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"troupe/app"
	"troupe/test/simulation"
)

func main() {
	ctx, signals := app.HandleSignals()
	plan, err := parse(os.Args[1:])
	if err == nil {
		err = simulate(ctx, plan, os.Stdout)
	}
	signals.Stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string) (simulation.Plan, error) {
	var p simulation.Plan
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.IntVar(&p.Seeds, "seeds", 100, "how many runs to simulate")
	flags.IntVar(&p.Steps, "steps", 1000, "how many steps each run has")
	flags.Uint64Var(&p.First, "seed", 1, "the seed of the first run; the others follow")
	flags.IntVar(&p.Workers, "workers", 2, "how many runs to simulate at the same time")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	switch {
	case flags.NArg() > 0:
		return p, fmt.Errorf("%q is not a flag; see -help", flags.Arg(0))
	case p.Seeds < 1 || p.Steps < 1 || p.Workers < 1:
		return p, errors.New("-seeds, -steps and -workers must be at least 1")
	}
	return p, nil
}

// simulate simulates the runs of a plan until one fails.
func simulate(ctx context.Context, plan simulation.Plan, out io.Writer) error {
	p := progress{out: out, plan: plan, start: time.Now()}
	err := simulation.Run(ctx, plan, p.add)
	if f, ok := errors.AsType[*simulation.Failure](err); ok {
		return fmt.Errorf("%w\nThis is the shortest run found. The whole run is: go run ./cmd/simulate -seed %d -seeds 1 -steps %d",
			f, f.Seed, plan.Steps)
	}
	return err
}

// progress sums up the runs that are over.
type progress struct {
	out                         io.Writer
	plan                        simulation.Plan
	runs, steps, orders, events int
	start, printed              time.Time
}

// add adds a run, and prints a line at most once a second and after the last run.
func (p *progress) add(s simulation.Summary) {
	p.runs, p.steps, p.events = p.runs+1, p.steps+s.Steps, p.events+s.Events
	for _, n := range s.Orders {
		p.orders += n
	}
	if time.Since(p.printed) < time.Second && p.runs < p.plan.Seeds {
		return
	}
	p.printed = time.Now()
	fmt.Fprintf(p.out, "%d of %d runs, %d steps, %d orders, %d events: every invariant holds. %.0f steps a minute\n",
		p.runs, p.plan.Seeds, p.steps, p.orders, p.events, float64(p.steps)/time.Since(p.start).Minutes())
}
