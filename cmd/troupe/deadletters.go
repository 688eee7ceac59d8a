package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/client"
	"troupe/services"
)

// consumers returns the names of the services that consume events, sorted. Their dead
// letters are reached at each service: the gateway does not route to them.
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
	List   listDeadLetters  `cmd:"" default:"withargs" help:"List the events that a service could not handle."`
	Show   showDeadLetter   `cmd:"" help:"Show one event with its error and its body."`
	Replay replayDeadLetter `cmd:"" help:"Let the service handle one event again."`
}

type deadLetterFlags struct {
	operator
	At map[string]string `placeholder:"SERVICE=URL" help:"Where a service listens, for example --at orders=http://127.0.0.1:9002; default: NAME_URL, or its own port on this host."`
}

// client returns an admin's client of one service.
func (f deadLetterFlags) client(ctx context.Context, service string) (*client.Client, error) {
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

// parkedEvent is an entry of GET /dead-letters.
type parkedEvent struct {
	EventID     string    `json:"event_id"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	Attempts    int       `json:"attempts"`
	LastError   string    `json:"last_error"`
	FirstFailed time.Time `json:"first_failed"`
	NextTry     time.Time `json:"next_try,omitzero"`
	Body        string    `json:"body,omitempty"`
}

type listDeadLetters struct {
	deadLetterFlags
	listing
	State string `enum:"dead,retry,all" default:"dead" help:"dead: no more attempts; retry: waiting for the next attempt; all: both."`
}

// listedEvent is a parked event with the service that could not handle it.
type listedEvent struct {
	Service string `json:"service"`
	parkedEvent
}

// Run lists the parked events and dead letters of every service.
func (c listDeadLetters) Run(ctx context.Context) error {
	var all []listedEvent
	for _, service := range consumers() {
		api, err := c.client(ctx, service)
		if err != nil {
			return err
		}
		var list struct {
			Items []parkedEvent `json:"items"`
		}
		if err := api.Get(ctx, "/dead-letters?limit=1000&state="+strings.TrimPrefix(c.State, "all"), &list); err != nil {
			return fmt.Errorf("%s: %w; if it listens elsewhere, add --at %s=URL", service, err, service)
		}
		for _, item := range list.Items {
			all = append(all, listedEvent{service, item})
		}
	}
	return printList(c.listing, all, "no event is parked in this state", "SERVICE\tEVENT\tTYPE\tSTATE\tATTEMPTS\tSINCE\tERROR", listedEvent.row)
}

func (l listedEvent) row() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", l.Service, l.EventID, l.Type, l.State, l.Attempts, l.FirstFailed.Format(time.RFC3339), l.LastError)
}

type showDeadLetter struct {
	deadLetterFlags
	Service string `arg:"" help:"The service that could not handle it."`
	Event   string `arg:"" help:"The event's id."`
}

// Run shows one event.
func (c showDeadLetter) Run(ctx context.Context) error {
	api, err := c.client(ctx, c.Service)
	if err != nil {
		return err
	}
	var l parkedEvent
	if err := api.Get(ctx, "/dead-letters/"+url.PathEscape(c.Event), &l); err != nil {
		return err
	}
	fmt.Printf("event     %s\ntype      %s\nstate     %s after %d attempts\nsince     %s\n", l.EventID, l.Type, l.State, l.Attempts, l.FirstFailed.Format(time.RFC3339))
	if !l.NextTry.IsZero() {
		fmt.Printf("next attempt  %s\n", l.NextTry.Format(time.RFC3339))
	}
	fmt.Printf("error     %s\n\n%s\n", l.LastError, l.Body)
	return nil
}

type replayDeadLetter struct {
	deadLetterFlags
	Service string `arg:"" help:"The service that could not handle it."`
	Event   string `arg:"" help:"The event's id."`
}

// Run lets the service handle one event again.
func (c replayDeadLetter) Run(ctx context.Context) error {
	api, err := c.client(ctx, c.Service)
	if err != nil {
		return err
	}
	if err := api.Post(ctx, "/dead-letters/"+url.PathEscape(c.Event)+"/replay", nil, nil); err != nil {
		return err
	}
	fmt.Println("the service handles the event again within a second; 'troupe dead-letters list' shows it if it fails again")
	return nil
}
