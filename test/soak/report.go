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

// tell prints how far it is, once a second, until the function it gives is called.
func (t *trial) tell(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(ctx, time.Second) {
			t.line()
		}
	}()
	return func() {
		cancel()
		<-done
		t.line()
	}
}

func (t *trial) line() {
	fmt.Fprintf(t.out, "%6.0f s  %6d orders accepted  %4d kills  %3d outages  %6d requests sent again\n",
		time.Since(t.began).Seconds(), t.crowd.Accepted(), t.killer.kills.Load(), t.saboteur.outages.Load(), t.crowd.Again())
}

// judge waits until all is quiet, and says how all ended and whether it is right.
func (t *trial) judge(ctx context.Context) error {
	wrong := t.until(ctx, invariants.Quiet)
	quiet := time.Since(t.peace)
	wrong = errors.Join(wrong, t.until(ctx, invariants.Told))
	told := time.Since(t.peace)
	wrong = errors.Join(wrong, invariants.Kept(context.WithoutCancel(ctx), t.databases, t.crowd.Orders()))
	wrong = errors.Join(append(t.killer.unasked, wrong)...)
	if err := t.endings(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(err, wrong)
	}
	fmt.Fprintf(t.out, "\n%d orders in %v, %d kills and restarts, %d outages of a server, %d requests sent again\n",
		t.crowd.Accepted(), t.placed.Sub(t.began).Round(time.Millisecond), t.killer.kills.Load(), t.saboteur.outages.Load(), t.crowd.Again())
	fmt.Fprintf(t.out, "after the last kill: quiet in %v, all mails sent in %v\n", quiet.Round(time.Millisecond), told.Round(time.Millisecond))
	if wrong != nil {
		fmt.Fprintln(t.out, "VIOLATED")
		return shorten(wrong)
	}
	fmt.Fprintln(t.out, "every invariant holds")
	return nil
}

// until waits until something holds, and gives what is wrong if it never does.
func (t *trial) until(ctx context.Context, holds func(context.Context, invariants.Databases) error) error {
	for {
		wrong := holds(context.WithoutCancel(ctx), t.databases)
		if wrong == nil {
			return nil
		}
		if t.Hurry {
			wrong = errors.Join(wrong, invariants.LeasesRunOut(ctx, t.databases))
		}
		if !sleep(ctx, 250*time.Millisecond) {
			return errors.Join(context.Cause(ctx), wrong)
		}
	}
}

// endings prints how many orders ended in which way.
func (t *trial) endings(ctx context.Context) error {
	lines, err := sqldb.All(ctx, t.databases["orders"], func(r sqldb.Row) (string, error) {
		var status, reason, payment string
		var n int
		err := r.Scan(&status, &reason, &payment, &n)
		return fmt.Sprintf("%8d  %s", n, strings.TrimSpace(status+", payment "+payment+"  "+reason)), err
	}, "SELECT status, reason, payment, count(*) FROM orders GROUP BY status, reason, payment ORDER BY status, reason, payment")
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n%s\n", strings.Join(lines, "\n"))
	return nil
}

// shorten keeps what went wrong readable when all of it did.
func shorten(err error) error {
	const most = 20
	lines := strings.Split(err.Error(), "\n")
	if len(lines) <= most {
		return err
	}
	return fmt.Errorf("%s\nand %d more", strings.Join(lines[:most], "\n"), len(lines)-most)
}
