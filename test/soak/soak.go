package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/test/crowd"
	"troupe/test/invariants"
	"troupe/test/process"
)

const adminPassword = "a passphrase only for tests"

// methods of payment, so that orders end in every way that they can.
var methods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_visa",
	"pm_card_insufficientFunds", "pm_fake_capture_fails", "pm_fake_timeout_then_charged", "pm_fake_timeout", "pm_fake_slow",
}

// run does it, and fails if anything is not as it must be.
func run(ctx context.Context, o soak, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("not over after %v", o.Limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "troupe-soak-")
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	t := &trial{soak: o, dir: dir, out: out, giveUp: giveUp}
	err = errors.Join(t.run(ctx), t.end())
	if err != nil {
		return fmt.Errorf("%w\nsee %s", err, dir)
	}
	return os.RemoveAll(dir)
}

// trial is one soak on its way.
type trial struct {
	soak
	dir    string
	out    io.Writer
	giveUp context.CancelCauseFunc

	log       *os.File
	servers   *servers // nil if together
	fleet     *process.Fleet
	databases invariants.Databases
	crowd     *crowd.Crowd
	killer    *killer
	saboteur  *saboteur
	began     time.Time // of the orders
	placed    time.Time // the last of them
	peace     time.Time // from here on nothing is killed
}

func (t *trial) run(ctx context.Context) error {
	fmt.Fprintf(t.out, "%d orders, seed %d, %s\n", t.Orders, t.Seed, t.shape())
	if err := t.start(ctx); err != nil {
		return err
	}
	if err := t.crowd.Open(ctx, int64(t.Orders/20)); err != nil {
		return err
	}
	t.began = time.Now()
	stopTelling := t.tell(ctx)
	err := t.order(ctx)
	t.peace = time.Now()
	if t.Hurry {
		err = errors.Join(err, invariants.LeasesRunOut(ctx, t.databases))
	}
	err = errors.Join(err, t.crowd.Finish())
	stopTelling()
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return t.judge(ctx)
}

func (t *trial) shape() string {
	if t.Apart {
		return "a process for each service"
	}
	return "one process"
}

// start builds the program and starts it, and its servers first.
func (t *trial) start(ctx context.Context) (err error) {
	if t.log, err = os.Create(filepath.Join(t.dir, "system.log")); err != nil {
		return err
	}
	binary, err := process.Build(ctx, t.dir)
	if err != nil {
		return err
	}
	t.fleet = &process.Fleet{Binary: binary, Data: filepath.Join(t.dir, "data"), Output: t.log, Env: []string{
		"ADMIN_PASSWORD=" + adminPassword, "LOG_LEVEL=warn", "PASSWORD_HASH_COST=insecure", "GATEWAY_RECOVERY=1s",
		"ORDER_DEADLINE=24h", "HOLD_EXPIRY=48h", // or they would clear away what got lost
	}}
	if t.Apart {
		if err := t.useServers(ctx); err != nil {
			return err
		}
	}
	if err := t.fleet.StartAll(ctx); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	t.killer = &killer{fleet: t.fleet, random: t.random(1), every: t.KillEvery}
	t.saboteur = &saboteur{servers: t.servers, random: t.random(2), every: t.OutageEvery}
	t.crowd = &crowd.Crowd{
		Gateway: t.fleet.URL("gateway"), AdminEmail: "admin@troupe.local", AdminPassword: adminPassword,
		Customers: t.Customers, Methods: methods,
	}
	if t.Rate > 0 {
		t.crowd.Pace = time.Second / time.Duration(t.Rate)
	}
	return nil
}

func (t *trial) useServers(ctx context.Context) (err error) {
	if t.servers, err = startServers(ctx, t.dir); err != nil {
		return err
	}
	t.fleet.Env = append(t.fleet.Env, "AMQP_URL="+t.servers.amqpURL())
	t.fleet.Apart, err = t.servers.databases(ctx)
	return err
}

// open opens the databases, to look at them from outside.
func (t *trial) open(ctx context.Context) error {
	t.databases = invariants.Databases{}
	for _, service := range process.Services[1:] {
		db, err := sqldb.Open(ctx, t.fleet.Database(service), sqldb.Options{MaxConns: 1})
		if err != nil {
			return err
		}
		t.databases[service] = db
	}
	return nil
}

// order has all orders placed amid the chaos, and ends the chaos. What the
// customers want afterwards goes on, until ctx ends.
func (t *trial) order(ctx context.Context) error {
	chaos, peace := context.WithCancel(ctx)
	defer peace()
	var wild errgroup.Group
	wild.Go(func() error { return t.orGiveUp(t.killer.run(chaos, ctx)) })
	if t.servers != nil {
		wild.Go(func() error { return t.orGiveUp(t.saboteur.run(chaos, ctx)) })
	}
	err := t.crowd.Order(ctx, t.Orders)
	t.placed = time.Now()
	peace()
	return errors.Join(err, wild.Wait())
}

// orGiveUp ends all if what is dead can not be started again: nobody would get an answer.
func (t *trial) orGiveUp(err error) error {
	if err != nil {
		t.giveUp(err)
	}
	return err
}

// end stops what runs, whatever came before.
func (t *trial) end() error {
	var errs []error
	if t.fleet != nil {
		errs = append(errs, t.fleet.Stop())
	}
	for _, db := range t.databases {
		errs = append(errs, db.Close())
	}
	if t.servers != nil {
		errs = append(errs, t.servers.stop())
	}
	if t.log != nil {
		errs = append(errs, t.log.Close())
	}
	return errors.Join(errs...)
}
