package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"troupe/test/simulation"
)

type simulateCommand struct {
	Seeds   int    `help:"How many worlds to play." default:"100"`
	Steps   int    `help:"How many steps each world has." default:"1000"`
	Seed    uint64 `help:"The seed of the first world; the others follow." default:"1"`
	Workers int    `help:"How many worlds to play at once." default:"2"`
}

// Run plays worlds that are out to break the system until one does.
func (c *simulateCommand) Run(ctx context.Context) error {
	p := progress{worlds: c.Seeds, start: time.Now()}
	err := simulation.Run(ctx, simulation.Plan{First: c.Seed, Seeds: c.Seeds, Steps: c.Steps, Players: c.Workers}, p.tell)
	if f, ok := errors.AsType[*simulation.Failure](err); ok {
		return fmt.Errorf("%w\nThis is the shortest story found. The whole one is: troupe simulate --seed %d --seeds 1 --steps %d", f, f.Seed, c.Steps)
	}
	return err
}

// progress is what has been played so far.
type progress struct {
	worlds, played, steps, orders, events int
	start, told                           time.Time
}

// tell adds a world, and prints a line now and then.
func (p *progress) tell(s simulation.Summary) {
	p.played, p.steps, p.events = p.played+1, p.steps+s.Steps, p.events+s.Events
	for _, n := range s.Orders {
		p.orders += n
	}
	if time.Since(p.told) < time.Second && p.played < p.worlds {
		return
	}
	p.told = time.Now()
	fmt.Fprintf(os.Stdout, "%d of %d worlds, %d steps, %d orders, %d events: all as promised. %.0f steps a minute\n",
		p.played, p.worlds, p.steps, p.orders, p.events, float64(p.steps)/time.Since(p.start).Minutes())
}
