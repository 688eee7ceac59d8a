// Command gateway measures what the gateway costs beside other proxies: nginx, HAProxy
// and the standard library's httputil.ReverseProxy. All of them forward the same request
// to the same upstream in the same run, in turns, each on one core. CPU time per request
// is compared; rates would follow the machine's other work.
//
//	go run ./bench/gateway                # CPU per request
//	go run ./bench/gateway -idle 10000    # memory with that many idle connections
//
// nginx and HAProxy are measured if they are installed (Debian: nginx-light, haproxy).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"troupe/app"
)

type options struct {
	requests, rounds, clients, idle int
}

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 40000, "how many requests each proxy forwards in a round")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds; the median is reported")
	flag.IntVar(&o.clients, "clients", 16, "how many clients send requests at the same time, each on one connection")
	flag.IntVar(&o.idle, "idle", 0, "open this many idle connections to the gateway and report its memory instead")
	flag.Parse()
	ctx, signals := app.HandleSignals()
	defer signals.Stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	switch flag.Arg(0) { // this program runs itself, so that each part has a process of its own
	case "upstream":
		return serveUpstream()
	case "reverseproxy":
		return serveReverseProxy(flag.Arg(1))
	}
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer b.end()
	if o.idle > 0 {
		return b.measureIdle(o.idle)
	}
	fmt.Printf("%s; %d clients, GET with a token, 512 bytes of JSON, %d rounds of %d requests\n\n",
		runtime.Version(), o.clients, o.rounds, o.requests)
	if err := b.rounds(o); err != nil {
		return err
	}
	b.report()
	return nil
}

// rounds measures the proxies in turns, so that the machine's other work affects them
// alike. The first round warms up.
func (b *bench) rounds(o options) error {
	for round := range o.rounds + 1 {
		for _, p := range b.proxies {
			before := p.cpu()
			if err := b.load(p.address, o.clients, o.requests); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 {
				p.spent = append(p.spent, (p.cpu()-before)/time.Duration(o.requests))
			}
		}
	}
	return nil
}

func (b *bench) report() {
	for _, p := range b.proxies {
		slices.Sort(p.spent)
		fmt.Printf("%-22s %6.1f us CPU per request (%.1f to %.1f), %5.1f MB\n", p.name,
			micros(p.spent[len(p.spent)/2]), micros(p.spent[0]), micros(p.spent[len(p.spent)-1]), p.memory())
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
