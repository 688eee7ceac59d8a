package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"troupe/client"
)

type eventsCommand struct {
	Tail    tailEvents          `cmd:"" help:"Print what the services publish and handle, as it happens."`
	Clients eventClientsCommand `cmd:"" help:"List, create, rotate and revoke the keys of programs outside that read or publish events."`
}

type tailEvents struct {
	operator
	Type    string `help:"Only events of this type, such as order.created.v1."`
	Service string `help:"Only what this service publishes or handles."`
	Order   string `help:"Only what is about this order."`
	Outcome string `enum:"ok,duplicate,retry,dead," default:"" help:"Only attempts that ended so: ok, duplicate, retry or dead."`
	Lines   int    `short:"n" default:"20" help:"How many of the past are printed first."`
	Follow  bool   `default:"true" negatable:"" help:"Go on until Ctrl-C."`
	JSON    bool   `help:"Print a line of JSON for each, for programs."`
}

// tailInterval is how often the console is asked for more.
const tailInterval = 500 * time.Millisecond

// Run prints the newest entries of the console, and those that follow.
func (c tailEvents) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	p := paperOf(os.Stdout)
	filter := client.EntryFilter{Type: c.Type, Service: c.Service, Order: c.Order, Outcome: c.Outcome, Limit: max(1, min(c.Lines, 500))}
	for {
		entries, err := admin.Entries(ctx, filter)
		if err != nil {
			return fmt.Errorf("ask the console: %w", err)
		}
		for _, e := range entries {
			if err := c.print(p, e); err != nil {
				return err
			}
			filter.After = e.Seq
		}
		if filter.After > 0 {
			filter.Limit = 500
		}
		if !c.Follow {
			return nil
		}
		select {
		case <-time.After(tailInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

func (c tailEvents) print(p paper, e client.Entry) error {
	if c.JSON {
		return json.NewEncoder(p).Encode(e)
	}
	_, err := fmt.Fprintln(p, entryLine(p, e))
	return err
}

// entryLine returns an entry in a line: when, who, what, and about which order.
func entryLine(p paper, e client.Entry) string {
	what, color := "publishes "+e.Type, cyan
	if e.Kind == "handled" {
		what, color = "handles "+e.Type, ""
		if e.Attempt > 1 {
			what += fmt.Sprintf(", attempt %d", e.Attempt)
		}
		switch e.Outcome {
		case "duplicate":
			what, color = what+": a duplicate", gray
		case "retry":
			what, color = what+": failed: "+e.Error, red
		case "dead":
			what, color = what+": given up: "+e.Error, red
		}
	}
	line := fmt.Sprintf("%s  %-13s  %s", e.At.Local().Format("15:04:05.000"), e.Service, strings.Join(strings.Fields(what), " "))
	if p.width > 0 {
		line = cut(line, p.width-len(e.OrderID)-2)
	}
	if e.OrderID != "" {
		return p.paint(color, line) + "  " + p.paint(gray, e.OrderID)
	}
	return p.paint(color, line)
}
