package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"troupe/client"
	"troupe/patterns/retry"
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

// Run prints the newest entries of the console, and those that follow.
func (c tailEvents) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	t := &tail{tailEvents: c, paper: paperOf(os.Stdout)}
	if !c.Follow {
		return t.printPast(ctx, admin)
	}
	for {
		err := t.follow(ctx, admin)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if !t.away {
			t.away = true
			fmt.Fprintln(os.Stderr, "the stream has ended; connecting again")
		}
		if retry.Sleep(ctx, reconnectAfter) != nil {
			return nil
		}
		if t.expired {
			if admin, err = c.login(ctx); err != nil {
				return err
			}
		}
	}
}

// reconnectAfter is the pause before a stream that has ended is opened again.
const reconnectAfter = time.Second

// tail is what was printed so far.
type tail struct {
	tailEvents
	paper   paper
	began   bool  // those of the past were printed
	last    int64 // the number of the last entry that was printed
	expired bool  // the stream has ended because the admin must sign in again
	away    bool  // that the stream has ended was reported, and nothing has come since
	failed  error // what could not be printed
}

// follow prints what the stream of the console sends until it ends. The error is one that
// another try would not end.
func (t *tail) follow(ctx context.Context, admin *client.Client) error {
	t.expired = false
	err := admin.Stream(ctx, t.path(), t.lastID(), func(e client.StreamEvent) error {
		t.failed = t.take(ctx, admin, e)
		return t.failed
	})
	refused, isRefusal := errors.AsType[*client.Problem](err)
	switch {
	case t.failed != nil:
		return t.failed
	case isRefusal && refused.Status == http.StatusUnauthorized && t.began:
		t.expired = true
	case isRefusal && refused.Status < http.StatusInternalServerError, err != nil && !t.began:
		return fmt.Errorf("ask the console: %w", err)
	}
	return nil
}

// path returns that of the stream, with the filter.
func (t *tail) path() string {
	query := url.Values{}
	for name, value := range map[string]string{"type": t.Type, "service": t.Service, "order": t.Order, "outcome": t.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "/console/api/stream?" + query.Encode()
}

func (t *tail) lastID() string {
	if t.last == 0 {
		return ""
	}
	return strconv.FormatInt(t.last, 10)
}

// take prints an event of the stream. The entries of the past are read when the stream is open, so that
// none is missing between them and the first one that it sends.
func (t *tail) take(ctx context.Context, admin *client.Client, e client.StreamEvent) error {
	t.away = false
	if !t.began {
		if err := t.printPast(ctx, admin); err != nil {
			return err
		}
	}
	switch e.Name {
	case "entry":
		var entry client.Entry
		if err := json.Unmarshal([]byte(e.Data), &entry); err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		return t.printNew(entry)
	case "gap":
		var gap struct{ Lost int64 }
		if err := json.Unmarshal([]byte(e.Data), &gap); err != nil {
			return fmt.Errorf("read a gap: %w", err)
		}
		fmt.Fprintf(os.Stderr, "%d entries were skipped, because they came too fast or are deleted\n", gap.Lost)
	case "end":
		t.expired = true
	}
	return nil
}

// printPast prints the newest entries that are there.
func (t *tail) printPast(ctx context.Context, admin *client.Client) error {
	t.began = true
	entries, err := admin.Entries(ctx, client.EntryFilter{
		Type: t.Type, Service: t.Service, Order: t.Order, Outcome: t.Outcome, Limit: max(1, min(t.Lines, 500)),
	})
	if err != nil {
		return fmt.Errorf("ask the console: %w", err)
	}
	for _, e := range entries {
		if err := t.printNew(e); err != nil {
			return err
		}
	}
	return nil
}

// printNew prints an entry unless it was printed before.
func (t *tail) printNew(e client.Entry) error {
	if e.Seq <= t.last {
		return nil
	}
	t.last = e.Seq
	return t.print(t.paper, e)
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
