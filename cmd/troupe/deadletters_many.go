package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"troupe/client"
)

type listDeadGroups struct {
	deadLetterFlags
	listing
	Type string `placeholder:"TYPE" help:"Only groups of this type of event, such as order.paid.v1."`
}

// deadGroup is dead letters of one service with one cause.
type deadGroup struct {
	ID           string    `json:"id"`
	Service      string    `json:"service"`
	Type         string    `json:"type"`
	State        string    `json:"state"`
	Cause        string    `json:"cause"`
	Count        int       `json:"count"`
	Returned     int       `json:"returned"`
	Compensation bool      `json:"compensation"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
}

// Run lists the groups of every service.
func (c listDeadGroups) Run(ctx context.Context) error {
	var all []deadGroup
	for _, service := range consumers() {
		var list struct {
			Items []deadGroup `json:"items"`
		}
		if err := c.ask(ctx, service, func(api *client.Client) error { return api.Get(ctx, "/dead-letters/groups", &list) }); err != nil {
			return err
		}
		for _, g := range list.Items {
			if c.Type == "" || g.Type == c.Type {
				g.ID, g.Service = service+"."+g.ID, service
				all = append(all, g)
			}
		}
	}
	slices.SortFunc(all, func(a, b deadGroup) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID)) })
	return printList(c.listing, all, "no event is parked", "GROUP\tTYPE\tSTATE\tCOUNT\tCAME BACK\tSINCE\tCAUSE", deadGroup.row)
}

func (g deadGroup) row() string {
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s", g.ID, g.Type, g.State, g.Count, g.Returned, g.First.Format(time.RFC3339), g.Cause)
}

// selectionFlags tell which dead letters a command is about.
type selectionFlags struct {
	deadLetterFlags
	Service string `arg:"" optional:"" help:"The service that could not handle it, before the event."`
	Event   string `arg:"" optional:"" help:"The event's id."`
	Group   string `xor:"which" placeholder:"GROUP" help:"All events of a group, as 'troupe dead-letters groups' names it."`
	Type    string `xor:"which" placeholder:"TYPE" help:"All dead letters of a type of event, such as order.paid.v1, of the service, or of all services if none is given."`
	All     bool   `xor:"which" help:"All dead letters of the service, or of all services if none is given."`
	DryRun  bool   `help:"Only count them."`
	JSON    bool   `help:"Print JSON, for programs."`
}

// changedAt is what a service has changed.
type changedAt struct {
	Service string `json:"service"`
	DryRun  bool   `json:"dry_run"`
	Count   int    `json:"count"`
	Kept    int    `json:"kept"`
	Next    string `json:"next,omitempty"`
}

var errWhich = errors.New("say which dead letters are meant: SERVICE EVENT, --group GROUP, --type TYPE or --all; 'troupe dead-letters groups' lists the groups")

// resolve returns the services that are asked, and what they are asked.
func (f selectionFlags) resolve() (asked []string, body map[string]any, err error) {
	body = map[string]any{"dry_run": f.DryRun}
	switch service, group, found := strings.Cut(f.Group, "."); {
	case f.Group != "" && (!found || f.Service != ""):
		return nil, nil, fmt.Errorf("--group %s: give a group as 'troupe dead-letters groups' names it, and no service or event", f.Group)
	case f.Group != "":
		body["group"] = group
		return []string{service}, body, nil
	case f.Event != "" && !f.All && f.Type == "":
		body["ids"] = []string{f.Event}
		return []string{f.Service}, body, nil
	case f.Event != "" || !f.All && f.Type == "":
		return nil, nil, errWhich
	case f.Type != "":
		body["type"] = f.Type
	default:
		body["all"] = true
	}
	if f.Service != "" {
		return []string{f.Service}, body, nil
	}
	if asked = consumersOf(f.Type); len(asked) == 0 {
		return nil, nil, fmt.Errorf("--type %s: no service consumes this type; docs/EVENTS.md lists those that exist", f.Type)
	}
	return asked, body, nil
}

// change has the services replay or discard what is selected, and prints what they did.
func (f selectionFlags) change(ctx context.Context, action string, more map[string]any) error {
	asked, body, err := f.resolve()
	if err != nil {
		return err
	}
	maps.Copy(body, more)
	var all []changedAt
	for _, service := range asked {
		done, err := f.changeAt(ctx, service, action, body)
		if err != nil {
			return err
		}
		all = append(all, done)
	}
	if f.JSON {
		return writeJSON(os.Stdout, all)
	}
	f.print(action, all)
	return nil
}

// changeAt has one service change what is selected, a batch at a time.
func (f selectionFlags) changeAt(ctx context.Context, service, action string, body map[string]any) (total changedAt, err error) {
	total = changedAt{Service: service, DryRun: f.DryRun}
	api, err := f.client(ctx, service)
	if err != nil {
		return total, err
	}
	delete(body, "after")
	progress := newProgress("events of "+service, f.JSON)
	defer progress.end()
	for {
		var done changedAt
		if err := api.Post(ctx, "/dead-letters/"+action, body, &done); err != nil {
			return total, explain(service, err)
		}
		total.Count, total.Kept = total.Count+done.Count, total.Kept+done.Kept
		if done.Next == "" {
			return total, nil
		}
		body["after"] = done.Next
		progress.show(int64(total.Count), 0)
	}
}

func (f selectionFlags) print(action string, all []changedAt) {
	count, kept := 0, 0
	for _, done := range all {
		count, kept = count+done.Count, kept+done.Kept
	}
	verb := map[string]string{"replay": "are replayed: each service handles its own again within a second", "discard": "are discarded"}[action]
	if f.DryRun {
		verb = map[string]string{"replay": "would be replayed", "discard": "would be discarded"}[action]
	}
	fmt.Printf("%d events %s\n", count, verb)
	if kept > 0 {
		fmt.Printf("%d compensations are kept, because what they undo would remain done; add --compensations to discard them too\n", kept)
	}
}

type replayDeadLetters struct{ selectionFlags }

// Run lets services handle events again.
func (c replayDeadLetters) Run(ctx context.Context) error {
	if c.Event != "" && !c.DryRun && !c.JSON && c.Group == "" && c.Type == "" && !c.All {
		return c.replayOne(ctx)
	}
	return c.change(ctx, "replay", nil)
}

// replayOne replays an event whether or not it is due already.
func (c replayDeadLetters) replayOne(ctx context.Context) error {
	err := c.ask(ctx, c.Service, func(api *client.Client) error {
		return api.Post(ctx, "/dead-letters/"+url.PathEscape(c.Event)+"/replay", nil, nil)
	})
	if err == nil {
		fmt.Println("the service handles the event again within a second; 'troupe dead-letters list' shows it if it fails again")
	}
	return err
}

type discardDeadLetters struct {
	selectionFlags
	Reason        string `required:"" help:"Why they need not be handled; the audit log keeps it."`
	Compensations bool   `help:"Discard compensations too, although what they would undo then remains done."`
}

// Run discards events for good.
func (c discardDeadLetters) Run(ctx context.Context) error {
	return c.change(ctx, "discard", map[string]any{"reason": c.Reason, "compensations": c.Compensations})
}
