// Command gateway measures what the gateway costs beside other proxies: nginx, HAProxy
// and the standard library's httputil.ReverseProxy, bare and with a pool of buffers. All of
// them forward the same request to the same upstream in the same run, in turns, each on one
// core. CPU time per request is compared; rates would follow the machine's other work.
//
//	go run ./bench/gateway                     # CPU per request
//	go run ./bench/gateway -compare REVISION   # and that of the gateway of another git revision
//	go run ./bench/gateway -profile FOLDER     # and a CPU profile of the gateway; the folder must exist
//	go run ./bench/gateway -refusals           # CPU for each order that the gateway itself refuses
//	go run ./bench/gateway -idle 10000         # memory with that many idle connections
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
	refusals                        bool
	compare, profile                string
}

// The parts of the bench that are processes of their own: this program runs itself.
const (
	partUpstream     = "upstream"
	partReverseProxy = "reverseproxy"
	partPooledProxy  = "reverseproxy-pool"
	partRefuser      = "refuser"
)

func main() {
	var o options
	flag.IntVar(&o.requests, "requests", 40000, "how many requests each proxy forwards in a round")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds; the median is reported")
	flag.IntVar(&o.clients, "clients", 16, "how many clients send requests at the same time, each on one connection")
	flag.IntVar(&o.idle, "idle", 0, "open this many idle connections to the gateway and report its memory instead")
	flag.BoolVar(&o.refusals, "refusals", false, "instead, place orders with a service that refuses all, so that the gateway itself refuses nearly all of them")
	flag.StringVar(&o.compare, "compare", "", "another git revision, whose gateway is measured in turns with this one")
	flag.StringVar(&o.profile, "profile", "", "also write a CPU profile of the gateway into this folder")
	flag.Parse()
	ctx, signals := app.HandleSignals()
	defer signals.Stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	switch flag.Arg(0) {
	case partUpstream:
		return serveUpstream()
	case partReverseProxy:
		return serveReverseProxy(flag.Arg(1), nil)
	case partPooledProxy:
		return serveReverseProxy(flag.Arg(1), newBuffers())
	case partRefuser:
		return serveRefusals()
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.end()
	if o.idle > 0 {
		return b.measureIdle(o.idle)
	}
	fmt.Printf("%s; %d clients, %s, %d rounds of %d requests\n\n", runtime.Version(), o.clients, b.what(), o.rounds, o.requests)
	if err := b.measure(); err != nil {
		return err
	}
	b.report()
	return nil
}

// measure measures the proxies in turns, so that the machine's other work affects them
// alike. The first round warms up.
func (b *bench) measure() error {
	for round := range b.rounds + 1 {
		for _, p := range b.proxies {
			before := p.cpu()
			if err := b.load(p.address, b.clients, b.requests); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 {
				p.spent = append(p.spent, (p.cpu()-before)/time.Duration(b.requests))
			}
		}
	}
	return nil
}

func (b *bench) report() {
	for _, p := range b.proxies {
		slices.Sort(p.spent)
		fmt.Printf("%-38s %6.1f us CPU per request (%.1f to %.1f), %5.1f MB\n", p.name,
			micros(p.spent[len(p.spent)/2]), micros(p.spent[0]), micros(p.spent[len(p.spent)-1]), p.memory())
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
