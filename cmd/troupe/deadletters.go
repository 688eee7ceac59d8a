package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"troupe/app"
	"troupe/client"
	"troupe/services"
)

// consumers returns the names of the services that consume events, sorted. Dead
// letters are an operator's business: the gateway does not route to them.
func consumers() []string {
	var names []string
	for _, s := range services.All {
		if len(s.Consumes()) > 0 {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

type deadLettersCommand struct {
	List   listLetters  `cmd:"" default:"withargs" help:"List what could not be handled."`
	Show   showLetter   `cmd:"" help:"Show one event, its error and its body."`
	Replay replayLetter `cmd:"" help:"Handle one event again."`
}

type letterFlags struct {
	operator
	At map[string]string `placeholder:"SERVICE=URL" help:"Where a service listens, for example --at orders=http://127.0.0.1:9002; default: NAME_URL, or its own port on this host."`
}

// at gives the admin's client of one service.
func (f letterFlags) at(ctx context.Context, service string) (*client.Client, error) {
	if !slices.Contains(consumers(), service) {
		return nil, fmt.Errorf("%q consumes no events: give one of %s", service, strings.Join(consumers(), ", "))
	}
	base := cmp.Or(f.At[service], app.Named(services.All, service).URL(app.Environ(os.Environ())))
	admin, err := f.login(ctx)
	if err != nil {
		return nil, err
	}
	return admin.WithBase(base), nil
}

type letter struct {
	EventID     string    `json:"event_id"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	Attempts    int       `json:"attempts"`
	LastError   string    `json:"last_error"`
	FirstFailed time.Time `json:"first_failed"`
	NextTry     time.Time `json:"next_try"`
	Body        string    `json:"body"`
}

type listLetters struct {
	letterFlags
	State string `enum:"dead,retry,all" default:"dead" help:"dead: given up; retry: waiting for another try; all: both."`
}

// Run lists the letters of every service.
func (c listLetters) Run(ctx context.Context) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tEVENT\tTYPE\tSTATE\tTRIES\tSINCE\tERROR")
	for _, service := range consumers() {
		api, err := c.at(ctx, service)
		if err != nil {
			return err
		}
		var list struct {
			Items []letter `json:"items"`
		}
		if err := api.Get(ctx, "/dead-letters?limit=1000&state="+strings.TrimPrefix(c.State, "all"), &list); err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
		for _, l := range list.Items {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
				service, l.EventID, l.Type, l.State, l.Attempts, l.FirstFailed.Format(time.RFC3339), l.LastError)
		}
	}
	return table.Flush()
}

type showLetter struct {
	letterFlags
	Service string `arg:"" help:"The service that could not handle it."`
	Event   string `arg:"" help:"The event's id."`
}

// Run shows one letter.
func (c showLetter) Run(ctx context.Context) error {
	api, err := c.at(ctx, c.Service)
	if err != nil {
		return err
	}
	var l letter
	if err := api.Get(ctx, "/dead-letters/"+url.PathEscape(c.Event), &l); err != nil {
		return err
	}
	fmt.Printf("event     %s\ntype      %s\nstate     %s after %d tries\nsince     %s\n", l.EventID, l.Type, l.State, l.Attempts, l.FirstFailed.Format(time.RFC3339))
	if !l.NextTry.IsZero() {
		fmt.Printf("next try  %s\n", l.NextTry.Format(time.RFC3339))
	}
	fmt.Printf("error     %s\n\n%s\n", l.LastError, l.Body)
	return nil
}

type replayLetter struct {
	letterFlags
	Service string `arg:"" help:"The service that could not handle it."`
	Event   string `arg:"" help:"The event's id."`
}

// Run has the service handle one event again.
func (c replayLetter) Run(ctx context.Context) error {
	api, err := c.at(ctx, c.Service)
	if err != nil {
		return err
	}
	if err := api.Post(ctx, "/dead-letters/"+url.PathEscape(c.Event)+"/replay", nil, nil); err != nil {
		return err
	}
	fmt.Println("handled again within a second; list shows it if it fails once more")
	return nil
}
