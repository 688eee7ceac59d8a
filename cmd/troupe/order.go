package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"troupe/client"
)

type orderCommand struct {
	operator
	ID   string `arg:"" help:"The order's id."`
	JSON bool   `help:"Print JSON, for programs."`
	Logs bool   `help:"Print what the services logged about it, too."`
}

// Run prints the order as the console shows it, with a column for each service. Without a
// console it prints the timeline that the orders service keeps.
func (c orderCommand) Run(ctx context.Context) error {
	api, err := c.login(ctx)
	if err != nil {
		return err
	}
	if !c.JSON {
		if story, err := api.Story(ctx, c.ID); err == nil {
			printStory(paperOf(os.Stdout), story)
			if c.Logs {
				printLines(paperOf(os.Stdout), story.Lines)
			}
			return nil
		}
	}
	o, err := api.Order(ctx, c.ID)
	if err != nil {
		return err
	}
	steps, err := api.Timeline(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(os.Stdout, struct {
			Order    client.Order           `json:"order"`
			Timeline []client.TimelineEntry `json:"timeline"`
		}{o, steps})
	}
	printOrder(os.Stdout, o)
	printSteps(os.Stdout, o.CreatedAt, steps)
	return nil
}

// printLines prints what the services logged about an order.
func printLines(p paper, lines []client.StoryLine) {
	if len(lines) == 0 {
		fmt.Fprintln(p, "\nNo service has logged anything about it.")
		return
	}
	fmt.Fprintln(p)
	colors := map[string]string{"ERROR": red, "WARN": yellow}
	for _, l := range lines {
		var text strings.Builder
		text.WriteString(l.Text)
		for _, name := range slices.Sorted(maps.Keys(l.Details)) {
			fmt.Fprintf(&text, " %s=%q", name, l.Details[name])
		}
		fmt.Fprintf(p, "%s %-5s %-13s %s\n", l.At.Format("15:04:05.000"), l.Level, l.Service, p.paint(colors[l.Level], text.String()))
	}
}

func printOrder(w io.Writer, o client.Order) {
	fmt.Fprintf(w, "order %s  %s, payment %s%s\n", o.ID, o.Status, o.PaymentState, reasonSuffix(o.CancelReason))
	for _, item := range o.Items {
		fmt.Fprintf(w, "  %4d x %-24s %s\n", item.Quantity, item.Name, item.UnitPrice)
	}
	fmt.Fprintf(w, "  total %s, ordered %s\n\n", o.Total, o.CreatedAt.Format(time.RFC3339))
}

func reasonSuffix(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// printSteps prints what happened with the time since the order was placed.
func printSteps(w io.Writer, began time.Time, steps []client.TimelineEntry) {
	for _, s := range steps {
		fmt.Fprintf(w, "  %8s  %-24s %s\n", "+"+s.At.Sub(began).Round(time.Millisecond).String(), s.What, s.Detail)
	}
}
