package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"troupe/app"
	"troupe/client"
	"troupe/services"
)

type republishCommand struct {
	operator
	Service    string `arg:"" help:"The service that owns the data, for example inventory or users."`
	Projection string `arg:"" help:"What other services keep a copy of: products (of inventory) or users (of users)."`
	To         string `help:"The one consumer that it is for; default: every consumer."`
	At         string `placeholder:"URL" help:"Where the service listens; default: NAME_URL, or its own port on this host."`
}

// republication is an entry of GET /republications.
type republication struct {
	Projection string    `json:"projection"`
	Consumer   string    `json:"consumer"`
	Published  int64     `json:"published"`
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
}

// pollInterval is how often the progress is read.
const pollInterval = time.Second

// Help returns what the command is for.
func (republishCommand) Help() string {
	return "Has a service publish again all that it owns, so that consumers that have lost their copy of it, or are new, are complete. " +
		"It is harmless at any time. The service does the work: if this command is interrupted, it goes on, and a second run shows its progress."
}

// Run starts a republication and shows its progress until it has finished.
func (c republishCommand) Run(ctx context.Context) error {
	service, known := find(c.Service)
	if !known {
		return fmt.Errorf("there is no service %q: give one of %v", c.Service, services.Names())
	}
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	api := admin.WithBase(cmp.Or(c.At, service.URL(app.Environ(os.Environ()))))
	body := map[string]string{"projection": c.Projection}
	if c.To != "" {
		body["consumer"] = c.To
	}
	var started republication
	if err := api.Post(ctx, "/republications", body, &started); err != nil {
		return fmt.Errorf("%s: %w; if it listens elsewhere, add --at URL", c.Service, err)
	}
	if started.Published > 0 {
		fmt.Printf("an earlier run is continued after %d events\n", started.Published)
	}
	return c.follow(ctx, api)
}

// find returns a service by its name.
func find(name string) (app.Service, bool) {
	for _, s := range services.All {
		if s.Name == name {
			return s, true
		}
	}
	return app.Service{}, false
}

// follow shows the progress until the republication has finished.
func (c republishCommand) follow(ctx context.Context, api *client.Client) error {
	progress := newProgress("events", false)
	defer progress.end()
	for {
		var list struct {
			Items []republication `json:"items"`
		}
		if err := api.Get(ctx, "/republications", &list); err != nil {
			return err
		}
		for _, r := range list.Items {
			if r.Projection != c.Projection || r.Consumer != c.To {
				continue
			}
			if !r.Finished.IsZero() {
				progress.end()
				fmt.Printf("published %d events in %s\n", r.Published, r.Finished.Sub(r.Started).Round(time.Second))
				return nil
			}
			progress.show(r.Published, 0)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the service goes on by itself; run this again to see its progress: %w", ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}
