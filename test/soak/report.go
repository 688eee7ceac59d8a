package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"troupe/platform/sqldb"
	"troupe/test/invariants"
)

// reportProgress prints a line a second until the function that it returns is called.
func (r *run) reportProgress(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(ctx, time.Second) {
			r.printProgress()
		}
	}()
	return func() {
		cancel()
		<-done
		r.printProgress()
	}
}

func (r *run) printProgress() {
	fmt.Fprintf(r.out, "%6.0f s  %6d orders accepted  %4d kills  %3d outages  %6d requests sent again\n",
		time.Since(r.started).Seconds(), r.load.Accepted(), r.killer.kills.Load(), r.outages.outages.Load(), r.load.Retries())
}

// check waits until nothing is left to do, prints how the orders ended, and returns
// which invariants are violated.
func (r *run) check(ctx context.Context) error {
	violations := r.until(ctx, invariants.Quiet)
	quiet := time.Since(r.quietPeriod)
	violations = errors.Join(violations, r.until(ctx, invariants.EveryCustomerNotified))
	notified := time.Since(r.quietPeriod)
	violations = errors.Join(violations, invariants.OrdersKept(context.WithoutCancel(ctx), r.databases, r.load.OrderIDs()))
	violations = errors.Join(append(r.killer.exits, violations)...)
	if err := r.printOutcomes(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(err, violations)
	}
	fmt.Fprintf(r.out, "\n%d orders in %v, %d kills and restarts, %d outages of a server, %d requests sent again\n",
		r.load.Accepted(), r.placed.Sub(r.started).Round(time.Millisecond), r.killer.kills.Load(), r.outages.outages.Load(), r.load.Retries())
	fmt.Fprintf(r.out, "after the last kill: quiet in %v, all mails sent in %v\n", quiet.Round(time.Millisecond), notified.Round(time.Millisecond))
	if violations != nil {
		fmt.Fprintln(r.out, "VIOLATED")
		return shorten(violations)
	}
	fmt.Fprintln(r.out, "every invariant holds")
	return nil
}

// until waits until an invariant holds, and returns what is wrong if ctx ends before.
func (r *run) until(ctx context.Context, holds func(context.Context, invariants.Databases) error) error {
	for {
		wrong := holds(context.WithoutCancel(ctx), r.databases)
		if wrong == nil {
			return nil
		}
		if r.ExpireLeases {
			wrong = errors.Join(wrong, invariants.ExpireLeases(ctx, r.databases))
		}
		if !sleep(ctx, 250*time.Millisecond) {
			return errors.Join(context.Cause(ctx), wrong)
		}
	}
}

// printOutcomes prints how many orders ended in which way.
func (r *run) printOutcomes(ctx context.Context) error {
	lines, err := sqldb.All(ctx, r.databases["orders"], func(row sqldb.Row) (string, error) {
		var status, reason, payment string
		var n int
		err := row.Scan(&status, &reason, &payment, &n)
		return fmt.Sprintf("%8d  %s", n, strings.TrimSpace(status+", payment "+payment+"  "+reason)), err
	}, "SELECT status, reason, payment, count(*) FROM orders GROUP BY status, reason, payment ORDER BY status, reason, payment")
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\n%s\n", strings.Join(lines, "\n"))
	return nil
}

// shorten returns the first lines of a long error.
func shorten(err error) error {
	const most = 20
	lines := strings.Split(err.Error(), "\n")
	if len(lines) <= most {
		return err
	}
	return fmt.Errorf("%s\nand %d more", strings.Join(lines[:most], "\n"), len(lines)-most)
}
