// Command soak has thousands of orders placed while it kills the system's
// processes at random, and stops and starts their servers; at the end every
// account must agree. All traffic stays on the loopback interface.
//
//	go run ./test/soak -orders 10000                       all services in one process
//	go run ./test/soak -orders 10000 -shape apart          a process for each, on PostgreSQL and RabbitMQ
//
// The servers are its own, started by scripts/servers in a temporary folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := options(os.Args[1:])
	if err == nil {
		err = run(ctx, o, os.Stdout)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// soak is what to do.
type soak struct {
	Orders      int
	Apart       bool
	Seed        uint64
	Rate        int // orders per second; 0: as many as it takes
	Customers   int
	KillEvery   time.Duration // on average
	OutageEvery time.Duration // on average
	Limit       time.Duration // of all
	Hurry       bool          // end the leases of the dead at once, rather than wait until they run out
}

func options(args []string) (soak, error) {
	var o soak
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	shape := flags.String("shape", "together", "together: one process; apart: a process for each service")
	flags.IntVar(&o.Orders, "orders", 10_000, "how many orders to place")
	flags.Uint64Var(&o.Seed, "seed", uint64(time.Now().Unix()), "whom to kill, and when")
	flags.IntVar(&o.Rate, "rate", 100, "orders per second at most; 0: no limit")
	flags.IntVar(&o.Customers, "customers", 32, "how many order at once")
	flags.DurationVar(&o.KillEvery, "kill-every", 2*time.Second, "time between two kills, on average")
	flags.DurationVar(&o.OutageEvery, "outage-every", 20*time.Second, "time between two stops of a server, on average")
	flags.DurationVar(&o.Limit, "limit", 30*time.Minute, "how long all may take")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case *shape != "together" && *shape != "apart":
		return o, fmt.Errorf("-shape is %q: say together or apart", *shape)
	case o.Orders < 1 || o.Customers < 1 || o.Rate < 0:
		return o, errors.New("-orders and -customers must be positive, and -rate not negative")
	case o.KillEvery <= 0 || o.OutageEvery <= 0 || o.Limit <= 0:
		return o, errors.New("-kill-every, -outage-every and -limit must be positive, for example 2s")
	}
	o.Apart = *shape == "apart"
	return o, nil
}

// random makes the choices of one part of the soak; each has its own, so that
// none depends on how fast another is.
func (s soak) random(part uint64) *rand.Rand { return rand.New(rand.NewPCG(s.Seed, part)) }
