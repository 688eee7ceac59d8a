package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"troupe/client"
	"troupe/services"
)

type eventClientsCommand struct {
	List   listEventClients  `cmd:"" default:"withargs" help:"List the programs outside and what they may read and publish."`
	Create createEventClient `cmd:"" help:"Create a key for a program outside. It is shown once."`
	Rotate rotateEventClient `cmd:"" help:"Give a program another key. The one before is no longer valid."`
	Revoke revokeEventClient `cmd:"" help:"Revoke the key of a program."`
}

// variables returns what the help and the values of arguments name.
func variables() kong.Vars { return kong.Vars{"publishers": strings.Join(publishers(), ",")} }

// publishers returns the names of the services whose events programs outside can read.
func publishers() (names []string) {
	for _, s := range services.All {
		if s.Schema != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// eventClient is an entry of GET /events/SERVICE/clients.
type eventClient struct {
	Service   string    `json:"service"`
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Reads     []string  `json:"reads,omitempty"`
	Publishes []string  `json:"publishes,omitempty"`
	Key       string    `json:"key,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func (c eventClient) row() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", c.Service, c.Name, strings.Join(c.Reads, " "), strings.Join(c.Publishes, " "), c.CreatedAt.Format(time.RFC3339), c.ID)
}

// eventClientsOf returns the clients of a service.
func eventClientsOf(ctx context.Context, admin *client.Client, service string) ([]eventClient, error) {
	var list struct {
		Items []eventClient `json:"items"`
	}
	err := admin.Get(ctx, "/events/"+service+"/clients", &list)
	for i := range list.Items {
		list.Items[i].Service = service
	}
	return list.Items, err
}

type listEventClients struct {
	operator
	listing
	Service string `enum:"${publishers}," default:"" help:"Only those of this service: ${publishers}."`
}

// Run lists the clients of one service, or of all.
func (c listEventClients) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	asked := publishers()
	if c.Service != "" {
		asked = []string{c.Service}
	}
	var all []eventClient
	for _, service := range asked {
		some, err := eventClientsOf(ctx, admin, service)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	return printList(c.listing, all, "no program outside has a key", "SERVICE\tNAME\tREADS\tPUBLISHES\tCREATED\tID", eventClient.row)
}

// keyCommand is what commands have in common that concern the key of one program.
type keyCommand struct {
	operator
	Service string `arg:"" enum:"${publishers}" help:"The service whose events it is for: ${publishers}."`
	Name    string `arg:"" help:"The name of the program, which is the source of its events."`
	JSON    bool   `help:"Print JSON, for programs."`
}

// print prints a client with its key, which is shown only now.
func (c keyCommand) print(made eventClient) error {
	made.Service = c.Service
	if c.JSON {
		return writeJSON(os.Stdout, made)
	}
	fmt.Printf("program   %s, for events of %s\nreads     %s\npublishes %s\nkey       %s\n",
		made.Name, c.Service, strings.Join(made.Reads, " "), strings.Join(made.Publishes, " "), made.Key)
	_, err := fmt.Fprintln(os.Stderr, "the program sends the key as X-API-Key; it is not shown again")
	return err
}

// find returns an admin's client, and the program by its name.
func (c keyCommand) find(ctx context.Context) (*client.Client, eventClient, error) {
	admin, err := c.login(ctx)
	if err != nil {
		return nil, eventClient{}, err
	}
	all, err := eventClientsOf(ctx, admin, c.Service)
	if err != nil {
		return nil, eventClient{}, err
	}
	at := slices.IndexFunc(all, func(other eventClient) bool { return other.Name == c.Name })
	if at < 0 {
		return nil, eventClient{}, fmt.Errorf("%s has no program %q; 'troupe events clients list' lists all", c.Service, c.Name)
	}
	return admin, all[at], nil
}

type createEventClient struct {
	keyCommand
	Reads     []string `placeholder:"TYPE,..." help:"The types of events that it may read: order.paid.v1,order.cancelled.v1, or * for all."`
	Publishes []string `placeholder:"TYPE,..." help:"The types of events that it may publish."`
}

// Run creates a client of the events of one service.
func (c createEventClient) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var made eventClient
	body := map[string]any{"name": c.Name, "reads": append([]string{}, c.Reads...), "publishes": append([]string{}, c.Publishes...)}
	if err := admin.Post(ctx, "/events/"+c.Service+"/clients", body, &made); err != nil {
		return err
	}
	return c.print(made)
}

type rotateEventClient struct{ keyCommand }

// Run gives a client another key.
func (c rotateEventClient) Run(ctx context.Context) error {
	admin, found, err := c.find(ctx)
	if err != nil {
		return err
	}
	var made eventClient
	if err := admin.Post(ctx, "/events/"+c.Service+"/clients/"+url.PathEscape(found.ID)+"/rotate", nil, &made); err != nil {
		return err
	}
	return c.print(made)
}

type revokeEventClient struct{ keyCommand }

// Run deletes a client, with its key.
func (c revokeEventClient) Run(ctx context.Context) error {
	admin, found, err := c.find(ctx)
	if err != nil {
		return err
	}
	if err := admin.Delete(ctx, "/events/"+c.Service+"/clients/"+url.PathEscape(found.ID)); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(os.Stdout, found)
	}
	fmt.Printf("the key of %s for events of %s is revoked\n", c.Name, c.Service)
	return nil
}
