package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/client"
	"troupe/platform/ascii"
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

// consumersOf returns the services that consume a type of event, or any if it is empty.
func consumersOf(eventType string) []string {
	if eventType == "" {
		return consumers()
	}
	return slices.Sorted(slices.Values(topology()[eventType]))
}

type deadLettersCommand struct {
	List    listDeadLetters    `cmd:"" default:"withargs" help:"List the events that a service could not handle."`
	Groups  listDeadGroups     `cmd:"" help:"List the events that services could not handle, by cause."`
	Show    showDeadLetter     `cmd:"" help:"Show one event with its error and its body."`
	Replay  replayDeadLetters  `cmd:"" help:"Let services handle events again: one, a group, a type, or all."`
	Discard discardDeadLetters `cmd:"" help:"Discard events for good: one, a group, a type, or all."`
}

type deadLetterFlags struct {
	operator
	At map[string]string `placeholder:"SERVICE=URL" help:"Where a service listens, for example --at orders=http://127.0.0.1:9002; default: NAME_URL, or where 'troupe up' has it, or its own port on this host."`
}

// client returns an admin's client of one service.
func (f deadLetterFlags) client(ctx context.Context, service string) (*client.Client, error) {
	if !slices.Contains(consumers(), service) {
		return nil, fmt.Errorf("%q consumes no events: give one of %s", service, strings.Join(consumers(), ", "))
	}
	environ := app.Environ(os.Environ())
	base := cmp.Or(f.At[service], environ[ascii.Upper(service)+"_URL"], keptAddress(f.Data, service), app.Named(services.All, service).URL(environ))
	admin, err := f.login(ctx)
	if err != nil {
		return nil, err
	}
	return admin.WithBase(base), nil
}

// ask calls call with an admin's client of the service.
func (f deadLetterFlags) ask(ctx context.Context, service string, call func(*client.Client) error) error {
	api, err := f.client(ctx, service)
	if err != nil {
		return err
	}
	return explain(service, call(api))
}

// explain adds to the error of a service that does not answer how to name its address.
func explain(service string, err error) error {
	if _, answered := errors.AsType[*client.Problem](err); err != nil && !answered {
		return fmt.Errorf("%s: %w; if it listens elsewhere, add --at %s=URL, or --data with the folder of its 'troupe up'", service, err, service)
	}
	return err
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
		var list struct {
			Items []parkedEvent `json:"items"`
		}
		err := c.ask(ctx, service, func(api *client.Client) error {
			return api.Get(ctx, "/dead-letters?limit=1000&state="+strings.TrimPrefix(c.State, "all"), &list)
		})
		if err != nil {
			return err
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
