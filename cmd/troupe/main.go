// Command troupe runs the whole system in one process, and holds the operator's
// commands for a running one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type commands struct {
	Up          upCommand          `cmd:"" help:"Run the whole system in this process."`
	Demo        demoCommand        `cmd:"" help:"Place five orders in a running system and check how each ends."`
	Order       orderCommand       `cmd:"" help:"Show an order and everything that happened to it."`
	DeadLetters deadLettersCommand `cmd:"" help:"List, show and replay events that a service could not handle."`
	Serve       serveCommand       `cmd:"" help:"Run one service by itself, on the servers of DATABASE_URL and AMQP_URL."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C stops at once. Some terminals send the first one twice, so only a
	// signal after a second counts.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	cli := kong.Parse(&commands{},
		kong.Name("troupe"),
		kong.Description("An order back-end of six services that cooperate by events: a choreography saga."),
		kong.ShortUsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	cli.FatalIfErrorf(cli.Run())
}
