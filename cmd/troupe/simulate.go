package main

import (
	"context"
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
	start, told := time.Now(), time.Now()
	var worlds, steps, orders, events int
	plan := simulation.Plan{First: c.Seed, Seeds: c.Seeds, Steps: c.Steps, Players: c.Workers}
	err := simulation.Run(ctx, plan, func(s simulation.Summary) {
		worlds, steps, events = worlds+1, steps+s.Steps, events+s.Events
		for _, n := range s.Orders {
			orders += n
		}
		if time.Since(told) >= time.Second || worlds == c.Seeds {
			told = time.Now()
			fmt.Fprintf(os.Stdout, "%d of %d worlds, %d steps, %d orders, %d events: all as promised. %.0f steps a minute\n",
				worlds, c.Seeds, steps, orders, events, float64(steps)/time.Since(start).Minutes())
		}
	})
	return err
}
