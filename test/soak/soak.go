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

	"troupe/test/cluster"
	"troupe/test/invariants"
	"troupe/test/load"
)

// paymentMethods make orders end in every way that they can, most of them well.
var paymentMethods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_card_visa",
	"pm_card_insufficientFunds", "pm_fake_capture_fails", "pm_fake_timeout_then_charged", "pm_fake_timeout", "pm_fake_slow",
}

// soak runs a soak, and fails if anything is not as it must be.
func soak(ctx context.Context, o options, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("not over after %v", o.Limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "troupe-soak-")
	if err != nil {
		return err
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	r := &run{options: o, dir: dir, out: out, abort: abort}
	err = errors.Join(r.do(ctx), r.stop())
	if err != nil {
		return fmt.Errorf("%w\nsee %s", err, dir)
	}
	return os.RemoveAll(dir)
}

// run is one soak that is under way.
type run struct {
	options
	dir   string
	out   io.Writer
	abort context.CancelCauseFunc

	log         *os.File
	servers     *cluster.Servers // nil with one process
	cluster     *cluster.Cluster
	databases   invariants.Databases
	load        *load.Generator
	killer      *processNemesis
	outages     *serverNemesis
	started     time.Time // when the first order was placed
	placed      time.Time // when the last order was placed
	quietPeriod time.Time // when it began: nothing is killed or stopped any more
}

func (r *run) do(ctx context.Context) error {
	fmt.Fprintf(r.out, "%d orders, seed %d, %s\n", r.Orders, r.Seed, r.shape())
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.load.Prepare(ctx, int64(r.Orders/20)); err != nil {
		return err
	}
	r.started = time.Now()
	stopReporting := r.reportProgress(ctx)
	err := r.placeOrders(ctx)
	r.quietPeriod = time.Now()
	if r.ExpireLeases {
		err = errors.Join(err, invariants.ExpireLeases(ctx, r.databases))
	}
	err = errors.Join(err, r.load.Wait())
	stopReporting()
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return r.check(ctx)
}

func (r *run) shape() string {
	if r.ProcessPerService {
		return "a process for each service"
	}
	return "one process"
}

// start builds the program and starts the cluster, its servers first.
func (r *run) start(ctx context.Context) (err error) {
	if r.log, err = os.Create(filepath.Join(r.dir, "system.log")); err != nil {
		return err
	}
	c := cluster.Config{Kind: cluster.OneProcess, Data: filepath.Join(r.dir, "data"), Output: r.log, Settings: []string{
		"USERS_ADMIN_PASSWORD=" + cluster.AdminPassword, "LOG_LEVEL=warn", "USERS_PASSWORD_HASH_COST=insecure", "USERS_REGISTRATIONS_PER_MINUTE=0",
		"GATEWAY_RATE_LIMITS=false", "GATEWAY_RECOVERY=1s",
		"GATEWAY_RECOVERY=1s",
		"ORDERS_MAX_UNDECIDED_PER_CUSTOMER=0", "ORDERS_DEADLINE=24h", "INVENTORY_HOLD_EXPIRY=48h", // neither may clear away what got lost
	}}
	if c.Program, err = cluster.Build(ctx, r.dir); err != nil {
		return err
	}
	if r.ProcessPerService {
		c.Kind = cluster.ProcessPerService
		if c.Databases, err = r.startServers(ctx); err != nil {
			return err
		}
		c.AMQP = r.servers.AMQP()
	}
	if r.cluster, err = cluster.New(c); err != nil {
		return err
	}
	if err := r.cluster.Start(ctx); err != nil {
		return err
	}
	if r.databases, err = r.cluster.OpenDatabases(ctx); err != nil {
		return err
	}
	r.killer = &processNemesis{cluster: r.cluster, random: r.random(1), interval: r.KillInterval}
	r.outages = &serverNemesis{servers: r.servers, random: r.random(2), interval: r.OutageInterval}
	r.load = &load.Generator{
		Gateway: r.cluster.URL("gateway"), AdminEmail: cluster.AdminEmail, AdminPassword: cluster.AdminPassword,
		Users: r.Customers, PaymentMethods: paymentMethods,
	}
	if r.Rate > 0 {
		r.load.Interval = time.Second / time.Duration(r.Rate)
	}
	return nil
}

// startServers starts the servers and returns the URLs of the services' databases.
func (r *run) startServers(ctx context.Context) (databases map[string]string, err error) {
	if r.servers, err = cluster.StartServers(ctx, r.dir); err != nil {
		return nil, err
	}
	return r.servers.CreateDatabases(ctx)
}

// placeOrders places all orders while the nemeses are at work, and then ends those.
// What the customers do with their orders afterwards goes on until ctx ends.
func (r *run) placeOrders(ctx context.Context) error {
	trouble, end := context.WithCancel(ctx)
	defer end()
	var nemeses errgroup.Group
	nemeses.Go(func() error { return r.abortOn(r.killer.run(trouble, ctx)) })
	if r.servers != nil {
		nemeses.Go(func() error { return r.abortOn(r.outages.run(trouble, ctx)) })
	}
	err := r.load.PlaceOrders(ctx, r.Orders)
	r.placed = time.Now()
	end()
	return errors.Join(err, nemeses.Wait())
}

// abortOn aborts the soak if what was killed cannot be started again: requests
// would be sent again until the limit.
func (r *run) abortOn(err error) error {
	if err != nil {
		r.abort(err)
	}
	return err
}

// stop stops everything that runs.
func (r *run) stop() error {
	var errs []error
	if r.cluster != nil {
		errs = append(errs, r.cluster.Stop())
	}
	for _, db := range r.databases {
		errs = append(errs, db.Close())
	}
	if r.servers != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		errs = append(errs, r.servers.Do(ctx, "stop"))
	}
	if r.log != nil {
		errs = append(errs, r.log.Close())
	}
	return errors.Join(errs...)
}
