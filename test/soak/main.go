// Command soak places thousands of orders while it kills the system's processes at
// random and stops and starts their servers. At the end every account must agree.
// All traffic stays on the loopback interface.
//
//	go run ./test/soak -orders 10000                              all services in one process
//	go run ./test/soak -orders 10000 -shape process-per-service   on PostgreSQL and RabbitMQ
//
// The servers are its own, started by scripts/servers in a temporary folder.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"troupe/app"
)

func main() {
	ctx, signals := app.HandleSignals()
	o, err := parseOptions(os.Args[1:])
	if err == nil {
		err = soak(ctx, o, os.Stdout)
	}
	signals.Stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// options configure a soak.
type options struct {
	Orders            int
	ProcessPerService bool
	Seed              uint64
	Rate              int // orders per second; 0: unlimited
	Customers         int
	KillInterval      time.Duration // on average
	OutageInterval    time.Duration // on average
	Limit             time.Duration // of the whole soak
	ExpireLeases      bool          // end the leases of killed processes, rather than wait until they expire
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	shape := flags.String("shape", "one-process", "one-process or process-per-service")
	flags.IntVar(&o.Orders, "orders", 10_000, "how many orders to place")
	flags.Uint64Var(&o.Seed, "seed", uint64(time.Now().Unix()), "decides which processes are killed, and when")
	flags.IntVar(&o.Rate, "rate", 100, "orders per second at most; 0: unlimited")
	flags.IntVar(&o.Customers, "customers", 32, "how many customers order at the same time")
	flags.DurationVar(&o.KillInterval, "kill-every", 2*time.Second, "time between two kills, on average")
	flags.DurationVar(&o.OutageInterval, "outage-every", 20*time.Second, "time between two outages of a server, on average")
	flags.DurationVar(&o.Limit, "limit", 30*time.Minute, "how long the soak may take")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case *shape != "one-process" && *shape != "process-per-service":
		return o, fmt.Errorf("-shape is %q: set one-process or process-per-service", *shape)
	case o.Orders < 1 || o.Customers < 1 || o.Rate < 0:
		return o, errors.New("-orders and -customers must be positive, and -rate not negative")
	case o.KillInterval <= 0 || o.OutageInterval <= 0 || o.Limit <= 0:
		return o, errors.New("-kill-every, -outage-every and -limit must be positive, for example 2s")
	}
	o.ProcessPerService = *shape == "process-per-service"
	return o, nil
}

// random makes the choices of one part of the soak. Each part has its own, so that
// its choices do not depend on how fast the others are.
func (o options) random(part uint64) *rand.Rand { return rand.New(rand.NewPCG(o.Seed, part)) }
