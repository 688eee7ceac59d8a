package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/patterns/relay"
	"troupe/platform/sqldb"
	"troupe/services"
)

type relayCommand struct {
	From   string   `required:"" env:"RELAY_FROM" placeholder:"URL" help:"The database of the other program: postgres://user:password@host:5432/shop or sqlite:///path/to/shop.db."`
	Types  []string `required:"" env:"RELAY_TYPES" placeholder:"TYPE,..." help:"The types of the events that it may publish: user.registered.v1,order.paid.v1."`
	Source string   `default:"monolith" env:"RELAY_SOURCE" help:"The name of the program, which becomes the source of its events."`
	Table  string   `default:"troupe_outbox" env:"RELAY_TABLE" help:"Its outbox table."`
	Data   string   `default:".troupe" env:"TROUPE_DATA" type:"path" help:"The folder of the running system, unless AMQP_URL is set."`
	Once   bool     `help:"End when the table is empty instead of waiting for more."`
}

const relayPoll = time.Second

// Run publishes the events of another program's outbox table until ctx ends.
func (c relayCommand) Run(ctx context.Context) error {
	for _, eventType := range c.Types {
		if _, known := topology()[eventType]; !known {
			return fmt.Errorf("--types: there is no event %q; docs/EVENTS.md lists those that exist", eventType)
		}
	}
	if err := requireFile(c.From); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	from, err := sqldb.Open(ctx, c.From, sqldb.Options{Log: log})
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer from.Close()
	environ := app.Environ(os.Environ())
	environ["TROUPE_DATA"] = c.Data
	to, closeBus, err := app.OpenPublisher(ctx, services.All, environ, log)
	if err != nil {
		return err
	}
	defer closeBus()
	r, err := relay.New(relay.Config{From: from, Table: c.Table, To: to, Source: c.Source, Types: c.Types, Schema: schemaOf, Log: log})
	if err != nil {
		return err
	}
	if c.Once {
		return drain(ctx, r)
	}
	fmt.Printf("relaying %s from table %s; Ctrl-C stops it\n", strings.Join(slices.Sorted(slices.Values(c.Types)), ", "), c.Table)
	r.Worker(relayPoll).Run(ctx, log)
	return nil
}

// schemaOf returns the JSON Schema of a type of event, which every service that publishes
// events has.
func schemaOf(eventType string) ([]byte, error) {
	for _, s := range services.All {
		if s.Schema != nil {
			return s.Schema(eventType)
		}
	}
	return nil, fmt.Errorf("no service has the schema of %s", eventType)
}

// drain publishes all that can be published.
func drain(ctx context.Context, r *relay.Relay) error {
	progress := newProgress("events", false)
	defer progress.end()
	for published := 0; ; {
		n, err := r.Step(ctx)
		if err != nil {
			return err
		}
		if published += n; n == 0 {
			progress.end()
			fmt.Printf("events published or refused: %d\n", published)
			return nil
		}
		progress.show(int64(published), 0)
	}
}

// requireFile returns an error if a SQLite URL names a file that does not exist. It would be
// made, and stay empty.
func requireFile(url string) error {
	file, isSQLite := strings.CutPrefix(url, "sqlite://")
	if !isSQLite {
		return nil
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	return nil
}
