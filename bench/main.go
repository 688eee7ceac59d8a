// Command bench measures the whole system from outside: it builds the real
// program, runs it, loads it through the gateway, and reports orders per second,
// CPU per order and memory. The load runs on the same machine and is included in
// the figures.
//
//	go run ./bench                                  # one process on SQLite
//	go run ./bench -database URL -amqp URL          # a process for each service, on PostgreSQL and RabbitMQ
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

type options struct {
	orders, clients, warmup int
	database, amqp          string
}

func main() {
	var o options
	flag.IntVar(&o.orders, "orders", 20000, "how many orders to place")
	flag.IntVar(&o.clients, "clients", 64, "how many clients place orders at the same time")
	flag.IntVar(&o.warmup, "warmup", 1000, "orders placed before anything is measured")
	flag.StringVar(&o.database, "database", "", "PostgreSQL URL: run a process for each service, each with a database of its own beside this one")
	flag.StringVar(&o.amqp, "amqp", "", "RabbitMQ URL: needed with -database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	fmt.Printf("%s, %d cores, load included\n\n", runtime.Version(), runtime.NumCPU())
	if o.database != "" {
		if err := rawLimits(ctx, o); err != nil {
			return fmt.Errorf("raw limits: %w", err)
		}
	}
	s, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer s.end()
	fmt.Printf("ready after         %8d ms (first start)\n", s.startup.Milliseconds())
	fmt.Printf("idle memory         %8.1f MB\n", s.memory("VmRSS"))
	shop, err := openShop(ctx, s, int64(o.orders+o.warmup))
	if err != nil {
		return err
	}
	if _, err := shop.complete(ctx, o.warmup, o.clients); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	before := s.usage()
	m, err := shop.complete(ctx, o.orders, o.clients)
	if err != nil {
		return err
	}
	report(o, m, s.usage().minus(before))
	fmt.Printf("peak memory         %8.1f MB\n", s.memory("VmHWM"))
	return nil
}

func report(o options, m measured, used usage) {
	n := float64(o.orders)
	fmt.Printf("accepted            %8.0f orders/s   (POST /orders, %d clients; p50 %s, p99 %s)\n",
		n/m.accepted.Seconds(), o.clients, m.p50.Round(10*time.Microsecond), m.p99.Round(10*time.Microsecond))
	fmt.Printf("completed           %8.0f orders/s   (accepted, held, authorized, captured, committed, paid)\n",
		n/m.completed.Seconds())
	fmt.Printf("CPU per order       %8.0f us\n", micros(used.total())/n)
	for _, name := range used.names() {
		fmt.Printf("  %-17s %8.0f us\n", name, micros(used[name])/n)
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
