// Command bench measures the whole system from outside: it builds the real
// program, runs it, loads it through the gateway, and reports orders per second,
// CPU per order, latencies, what an order writes, and memory. The load runs on the
// same machine; it is named in the figures.
//
//	go run ./bench                      # one process on SQLite
//	go run ./bench -apart               # a process for each service, on a PostgreSQL and a RabbitMQ of its own
//	go run ./bench -compare v0.1.0      # beside another revision, in turns
//	go run ./bench -console             # with the console and 10 % of the traces sampled, beside the same program without, in turns
//	go run ./bench -grow 10000,100000   # with more and more orders in the databases
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"troupe/app"
)

type options struct {
	orders, clients, customers, warmup, rounds int
	apart                                      bool
	database, amqp                             string // of given servers, instead of own ones
	compare, compareSettings                   string
	console                                    bool
	half                                       time.Duration
	grow                                       sizes
	age                                        time.Duration
	out, profile                               string
	overload                                   time.Duration
	times                                      float64
	together                                   bool
}

// sizes are numbers of orders, the smallest first.
type sizes []int

func (s *sizes) String() string { return fmt.Sprint(*s) }

// Set implements flag.Value.
func (s *sizes) Set(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < seedOrders || len(*s) > 0 && n <= (*s)[len(*s)-1] {
			return fmt.Errorf("give rising numbers of orders, from %d", seedOrders)
		}
		*s = append(*s, n)
	}
	return nil
}

func main() {
	o := flags()
	ctx, signals := app.HandleSignals()
	defer signals.Stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func flags() (o options) {
	flag.IntVar(&o.orders, "orders", 20000, "how many orders are placed in each round")
	flag.IntVar(&o.clients, "clients", 64, "how many requests may wait for their answer at a time")
	flag.IntVar(&o.customers, "customers", 20, "how many customers order in turns")
	flag.IntVar(&o.warmup, "warmup", 1000, "orders placed before anything is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "how often everything is measured, each time on fresh databases")
	flag.BoolVar(&o.apart, "apart", false, "run a process for each service, on a PostgreSQL and a RabbitMQ that only the bench uses (scripts/servers)")
	flag.StringVar(&o.database, "database", "", "PostgreSQL URL: with -amqp instead of own servers; each service gets a database beside it, which remains")
	flag.StringVar(&o.amqp, "amqp", "", "RabbitMQ URL: needed with -database")
	flag.StringVar(&o.compare, "compare", "", "another git revision, which is built and measured in turns with this one")
	flag.BoolVar(&o.console, "console", false, "measure with the console and a tenth of the traces exported, and without journal, console and traces, in turns")
	flag.StringVar(&o.compareSettings, "compare-settings", "", "with -compare: NAME=value of the settings that had other names in that revision, with commas between")
	flag.DurationVar(&o.half, "half", 10*time.Second, "how long half of what can be carried is offered, to measure latencies; 0: not at all")
	flag.Var(&o.grow, "grow", "instead, measure with so many orders in the databases, for example 10000,100000,1000000")
	flag.DurationVar(&o.age, "age", 0, "with -grow: how old the copied orders are at least; more than the retention shows what it costs")
	flag.StringVar(&o.out, "out", "bench/results", "folder of the results (JSON, SVG)")
	flag.StringVar(&o.profile, "profile", "", "also write CPU profiles of all processes, of each round, into this folder")
	flag.DurationVar(&o.overload, "overload", 0, "instead, offer more orders than can be carried for that time; -orders measure the capacity")
	flag.Float64Var(&o.times, "times", 3, "with -overload: the load as a multiple of the capacity")
	flag.BoolVar(&o.together, "together", false, "with -overload: let the load use the cores of the system, instead of leaving the last core to it")
	flag.Parse()
	return o
}

func run(ctx context.Context, o options) error {
	if (o.database == "") != (o.amqp == "") {
		return errors.New("give -database and -amqp, or neither")
	}
	if o.console && o.compare != "" {
		return errors.New("give -console or -compare, not both")
	}
	o.apart = o.apart || o.database != ""
	var split cores // only an overload takes enough of the machine to be kept apart
	if o.overload > 0 && !o.together {
		split = splitCores()
	}
	logf("%s, %s", runtime.Version(), split)
	candidates, err := build(ctx, o)
	if err != nil {
		return err
	}
	defer candidates.remove()
	if !o.console {
		return measure(ctx, o, split, candidates)
	}
	sink, err := newTraceSink(ctx)
	if err != nil {
		return err
	}
	candidates[0].settings = append(candidates[0].settings, sink.settings()...)
	err = measure(ctx, o, split, candidates)
	return errors.Join(err, sink.close())
}

func measure(ctx context.Context, o options, split cores, all candidates) error {
	switch {
	case o.overload > 0:
		return overload(ctx, o, split, all[0])
	case len(o.grow) > 0:
		return measureGrowth(ctx, o, all)
	}
	return measureRounds(ctx, o, all)
}

// logf prints progress, apart from the results.
func logf(format string, args ...any) {
	fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
