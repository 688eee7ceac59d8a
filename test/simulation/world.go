package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/bus/sim"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
)

// dawn is when every world begins.
var dawn = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// world is the whole system with everything around it.
type world struct {
	seed     uint64
	pcg      *rand.PCG
	chance   *rand.Rand // of the step under way
	now      time.Time
	ids      ids
	nodes    []*node
	broker   *sim.Broker
	witness  *witness
	names    *names
	history  history
	weather  weather
	forecast weather
	fault    *Fault
	signer   *auth.Signer
	log      *slog.Logger

	customers []*customer
	skus      []string
	lost      []*request // whose answers never came
	keys      int
	requests  int // for an order
}

// weather is which kinds of trouble a world has. Not all in each: a storm that
// never ends hides what only breaks in quieter ones.
type weather struct {
	dying, crashes, breaks, cuts, confirms, repeats, leaps, skews, hiccups, crashLoops bool
}

func (w weather) String() string {
	var parts []string
	for _, p := range []struct {
		on   bool
		name string
	}{
		{w.dying, "deaths in the middle"}, {w.crashes, "crashes"}, {w.breaks, "broken sessions"}, {w.cuts, "partitions"},
		{w.confirms, "lost confirmations"}, {w.repeats, "duplicates"}, {w.leaps, "long waits"}, {w.skews, "skewed clocks"},
		{w.hiccups, "hiccups"}, {w.crashLoops, "crash loops"},
	} {
		if p.on {
			parts = append(parts, p.name)
		}
	}
	return fmt.Sprint(parts)
}

// newWorld makes the world of a seed, on empty databases.
func newWorld(ctx context.Context, seed uint64, disks *disks, fault *Fault) (*world, error) {
	w := &world{seed: seed, pcg: rand.NewPCG(0, 0), now: dawn, names: newNames(), fault: fault, signer: disks.signer, log: slog.New(slog.DiscardHandler)}
	w.chance = rand.New(w.pcg)
	w.roll(0)
	weather := weather{
		w.maybe(60), w.maybe(50), w.maybe(50), w.maybe(40), w.maybe(50), w.maybe(50), w.maybe(50), w.maybe(40), w.maybe(30), w.maybe(20),
	}
	topology := withTally()
	w.broker = sim.NewBroker(topology, sim.Choose(w.chance.IntN),
		sim.Acked(func(service string, m bus.Message) { w.witness.acknowledges(service, m) }))
	services := []app.Service{orders.Service, inventory.Service, payments.Service, notifications.Service, tally(topology)}
	var names []string
	for _, s := range services {
		s.Topology = topology
		n := &node{world: w, name: s.Name, service: s}
		if weather.skews {
			n.skew = time.Duration(w.chance.IntN(4000)-2000) * time.Millisecond
		}
		w.nodes, names = append(w.nodes, n), append(names, s.Name)
	}
	w.witness = newWitness(topology, names, w.names)
	for _, n := range w.nodes {
		var err error
		if n.store, n.seen, err = disks.get(ctx, n.service); err != nil {
			return nil, err
		}
		if err := n.start(); err != nil {
			return nil, err
		}
	}
	w.forecast = weather
	return w, nil
}

// open opens the shop, in good weather, before the storm begins.
func (w *world) open(ctx context.Context) error {
	w.openShop()
	_, err := w.drain(ctx)
	w.weather = w.forecast
	return err
}

// roll begins a step: from here to the next, all chance comes from the seed and
// the step's number alone, so that leaving a step out leaves the others as they are.
func (w *world) roll(step int) { w.pcg.Seed(w.seed, uint64(step)*0x9e3779b97f4a7c15) }

// maybe is true in so many of a hundred cases.
func (w *world) maybe(percent int) bool { return w.chance.IntN(100) < percent }

func (w *world) node(name string) *node {
	return w.nodes[slices.IndexFunc(w.nodes, func(n *node) bool { return n.name == name })]
}

func (w *world) complain(format string, args ...any) { w.witness.complain(format, args...) }

// tell adds a line to the history.
func (w *world) tell(who, format string, args ...any) {
	w.history.add(w.now.Sub(dawn), who, fmt.Sprintf(format, args...))
}

// observe has the witness look at what was committed since it looked last.
func (w *world) observe(ctx context.Context) error {
	for _, n := range w.nodes {
		if !n.dirty {
			continue
		}
		n.dirty = false
		cs, err := changes(ctx, n.store, n.seen)
		if err != nil {
			return fmt.Errorf("read what %s committed: %w", n.name, err)
		}
		if len(cs) > 0 {
			n.seen = cs[len(cs)-1].n
		}
		w.witness.look(n.name, cs)
	}
	return w.witness.verdict()
}

// ids makes UUIDv7 from the maker's clock and a counter.
type ids struct{ made uint64 }

func (s *ids) next(now time.Time) string {
	s.made++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(id[8:], 1<<63|s.made)
	return id.String()
}

// disks are databases that one world after another is played on: emptying them
// takes a fraction of making them.
type disks struct {
	dbs    map[string]sqldb.DB
	signer *auth.Signer
}

func newDisks() (*disks, error) {
	key, err := auth.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(key)
	return &disks{dbs: map[string]sqldb.DB{}, signer: signer}, err
}

// get gives an empty database with the service's tables, watched.
func (d *disks) get(ctx context.Context, s app.Service) (sqldb.DB, int64, error) {
	if db := d.dbs[s.Name]; db != nil {
		return db, 0, empty(ctx, db)
	}
	db, err := sqldb.Open(ctx, "sqlite::memory:", sqldb.Options{NoGroupCommit: true, MaxConns: 2})
	if err != nil {
		return nil, 0, err
	}
	d.dbs[s.Name] = db
	if err := sqldb.Migrate(ctx, db, app.Migrations(s)...); err != nil {
		return nil, 0, fmt.Errorf("make the tables of %s: %w", s.Name, err)
	}
	return db, 0, watch(ctx, db, s.Name)
}

// kept are the tables that are not emptied: they hold no data of a world.
var kept = []string{"schema_migrations", "stock_turn", "sqlite_sequence"}

func empty(ctx context.Context, db sqldb.DB) error {
	tables, err := sqldb.All(ctx, db, func(r sqldb.Row) (name string, err error) { return name, r.Scan(&name) },
		"SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name DESC")
	if err != nil {
		return err
	}
	return db.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		var last []string
		for _, table := range tables {
			if table == "sim_changes" {
				last = append(last, table) // the triggers of the others write there
				continue
			}
			if slices.Contains(kept, table) {
				continue
			}
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return fmt.Errorf("empty %s: %w", table, err)
			}
		}
		for _, table := range last {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close removes the databases.
func (d *disks) Close() error {
	var errs []error
	for _, db := range d.dbs {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}
