package main

import (
	"context"
	"fmt"
	"time"

	"troupe/platform/sqldb"
	"troupe/test/cluster"
	"troupe/test/load"
)

// overload offers the system three times as many orders as it can carry, and reports
// what became of them. Given servers stay on the cores on which they run.
func overload(ctx context.Context, o options, c cores, p candidate) error {
	if err := c.startSystem(); err != nil {
		return fmt.Errorf("bind to cores: %w", err)
	}
	return withSystem(ctx, o, p, func(s *system) error {
		if err := c.startLoad(); err != nil {
			return fmt.Errorf("bind to cores: %w", err)
		}
		fmt.Println(c)
		return s.overload(ctx, o)
	})
}

func (s *system) overload(ctx context.Context, o options) error {
	db, err := sqldb.Open(ctx, s.Database("orders"), sqldb.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	var own []time.Duration // CPU time of this process at each look; the last two are around the overload
	run := load.Overload{
		Generator: load.Generator{Gateway: s.URL("gateway"), AdminEmail: cluster.AdminEmail, AdminPassword: cluster.AdminPassword},
		Orders:    db, Customers: 50, Sample: o.orders, Steady: o.overload / 5, Times: o.times, For: o.overload,
		CPU: func() time.Duration {
			used := s.usage()
			own = append(own, used["load"])
			return used.total() - used["load"]
		},
		Log: func(format string, args ...any) {
			fmt.Println(time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
		},
	}
	r, err := run.Run(ctx)
	if err != nil {
		return err
	}
	reportOverload(o, r)
	took := own[len(own)-1] - own[max(0, len(own)-2)]
	fmt.Printf("load generator      %8.2f cores      (%.0f us CPU for each order that it offered)\n",
		took.Seconds()/o.overload.Seconds(), 1e6*took.Seconds()/float64(max(1, r.Answers.Accepted+r.Answers.Refused)))
	return nil
}

func reportOverload(o options, r load.OverloadReport) {
	a := r.Answers
	fmt.Printf("\ncapacity            %8.0f orders/s   (paid, while about as many are placed, for %s; CPU %.2f ms for each)\n",
		r.Capacity, o.overload/5, 1e3*r.CPUAtCapacity.Seconds())
	fmt.Printf("offered             %8.0f orders/s   (for %s; %d not sent: no connection was free)\n", o.times*r.Capacity, o.overload, a.Skipped)
	fmt.Printf("goodput             %8.0f orders/s   (paid, %.0f %% of the capacity; CPU %.2f ms for each, refusals included)\n",
		r.Goodput, 100*r.Goodput/r.Capacity, 1e3*r.CPUUnderOverload.Seconds())
	fmt.Printf("accepted            %8d\n", a.Accepted)
	fmt.Printf("refused             %8d            (%d by the gateway; p50 %s, p99 %s; an empty request meanwhile: p50 %s, p99 %s)\n",
		a.Refused, a.ByGateway, a.Refusals.Below(0.5), a.Refusals.Below(0.99), a.Probes.Below(0.5), a.Probes.Below(0.99))
	if a.Refused > 0 {
		beyond := (r.CPUUnderOverload - r.CPUAtCapacity) * time.Duration(a.Accepted)
		fmt.Printf("CPU of a refusal    %8.0f us         (what the system took beyond %.2f ms for each order)\n",
			micros(beyond)/float64(a.Refused), 1e3*r.CPUAtCapacity.Seconds())
	}
	fmt.Printf("failed              %8d            %s\n", a.Failed, a.Failure)
	fmt.Printf("cancelled: deadline %8d\n", r.Cancelled)
	fmt.Printf("recovery            %8.1f s\n", r.Recovery.Seconds())
}
