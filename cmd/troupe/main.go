// Command troupe runs the whole system in one process, and holds the operator's
// commands for a running one.
package main

import (
	"context"
	"os"

	"github.com/alecthomas/kong"

	"troupe/app"
)

type commands struct {
	Up          upCommand          `cmd:"" help:"Run the whole system in this process."`
	Demo        demoCommand        `cmd:"" help:"Place five orders in a running system and check how each ends."`
	Load        loadCommand        `cmd:"" help:"Offer a running system orders at a rate, measure how they are answered, and check how each ends."`
	Order       orderCommand       `cmd:"" help:"Show an order and everything that happened to it."`
	Events      eventsCommand      `cmd:"" help:"Show what the services publish and handle, and the programs outside that take part."`
	DeadLetters deadLettersCommand `cmd:"" help:"List, show, replay and discard events that a service could not handle."`
	Backup      backupCommand      `cmd:"" help:"Copy the SQLite databases of all services, as of one moment, while the system runs."`
	Restore     restoreCommand     `cmd:"" help:"Copy a backup into an empty data folder."`
	Lab         labCommand         `cmd:"" help:"Cause faults in a running system, in development, and see how its orders fare."`
	Republish   republishCommand   `cmd:"" help:"Publish again what a service owns, so that others can rebuild their copies of it."`
	Queues      queuesCommand      `cmd:"" help:"Check the queues of RabbitMQ, or move events out of queues with other arguments."`
	Deliveries  deliveriesCommand  `cmd:"" help:"List mails, pushes and deliveries to webhooks, and decide about them."`
	Breakers    breakersCommand    `cmd:"" help:"List the gateway's circuit breakers, or force one open or closed."`
	Console     consoleCommand     `cmd:"" help:"Print a link that opens the console, signed in as the admin."`
	Notify      notifyCommand      `cmd:"" help:"Show and rotate what notifications are sent with."`
	Password    passwordCommand    `cmd:"" help:"Set another password for the admin."`
	Gateway     gatewayCommand     `cmd:"" help:"Check a configuration file of the gateway, or print the default one."`
	New         newCommand         `cmd:"" help:"Add a service, an event or a handler to the source tree."`
	Remove      removeCommand      `cmd:"" help:"Remove the example from the source tree."`
	Relay       relayCommand       `cmd:"" help:"Publish the events of another program, such as a monolith, from an outbox table in its database."`
	Serve       serveCommand       `cmd:"" help:"Run one service by itself, on the servers of DATABASE_URL and AMQP_URL."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
	Completion  completionCommand  `cmd:"" help:"Print a script that lets a shell complete commands and flags."`
	Complete    completeCommand    `cmd:"" hidden:""`
	ShowVersion versionFlag        `name:"version" help:"Print the version and end."`
}

func main() {
	ctx, signals := app.HandleSignals()
	defer signals.Stop()
	app.TidyEnvironment()
	if os.Getenv("TROUPE_DATA") == "" {
		_ = os.Unsetenv("TROUPE_DATA") // kong would take it for the current folder
	}
	cli := kong.Parse(&commands{},
		kong.Name("troupe"),
		kong.Description("An order back-end of services that cooperate by events: a choreography saga."),
		kong.ShortUsageOnError(),
		variables(),
		kong.Bind(signals),
		kong.BindTo(ctx, (*context.Context)(nil)))
	cli.FatalIfErrorf(cli.Run())
}
