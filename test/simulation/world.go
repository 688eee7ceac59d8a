package simulation

import (
	"context"
	"encoding/binary"
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

// newWorld makes the world of a seed, on empty databases.
func newWorld(ctx context.Context, seed uint64, disks *disks, fault *Fault) (*world, error) {
	w := &world{
		seed: seed, pcg: rand.NewPCG(0, 0), now: dawn, names: newNames(),
		fault: fault, signer: disks.signer, log: slog.New(slog.DiscardHandler),
	}
	w.chance = rand.New(w.pcg)
	w.roll(0)
	w.forecast = w.foretell()
	topology := withTally()
	w.broker = sim.NewBroker(topology, sim.Choose(w.chance.IntN),
		sim.Acked(func(service string, m bus.Message) { w.witness.acknowledges(service, m) }))
	services := []app.Service{orders.Service, inventory.Service, payments.Service, notifications.Service, tally(topology)}
	w.witness = newWitness(topology, services, w.names)
	for _, s := range services {
		if err := w.found(ctx, s, topology, disks); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// found starts a service for the first time.
func (w *world) found(ctx context.Context, s app.Service, topology bus.Topology, disks *disks) (err error) {
	s.Topology = topology
	n := &node{world: w, name: s.Name, service: s}
	if n.store, err = disks.get(ctx, s); err != nil {
		return err
	}
	if w.forecast.has(skews) {
		n.skew = w.skew()
	}
	w.nodes = append(w.nodes, n)
	return n.start()
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
