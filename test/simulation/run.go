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
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
)

// epoch is when every run begins.
var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// simulated are the services that take part in the saga.
var simulated = []app.Service{orders.Service, inventory.Service, payments.Service, notifications.Service}

// run is one run of the whole system with everything around it: the broker, the
// users, the payment provider, the clock and the faults.
type run struct {
	seed    uint64
	pcg     *rand.PCG
	random  *rand.Rand // seeded for the current step
	now     time.Time
	ids     ids
	nodes   []*node
	broker  *sim.Broker
	checker *checker
	labels  *labels
	history history
	active  faultProfile
	profile faultProfile
	bug     *Bug
	signer  *auth.Signer
	log     *slog.Logger

	customers     []*customer
	skus          []string
	unanswered    []*request // those that got no answer yet
	keyCount      int
	orderRequests int // requests that place an order
}

// newRun returns the run of a seed, on empty databases.
func newRun(ctx context.Context, seed uint64, pool *databasePool, bug *Bug) (*run, error) {
	r := &run{
		seed: seed, pcg: rand.NewPCG(0, 0), now: epoch, labels: newLabels(),
		bug: bug, signer: pool.signer, log: slog.New(slog.DiscardHandler),
	}
	r.random = rand.New(r.pcg)
	r.seedStep(0)
	r.profile = r.drawProfile()
	topology := topologyWithCounter()
	r.broker = sim.NewBroker(topology, sim.Choose(r.random.IntN),
		sim.Acked(func(service string, m bus.Message) { r.checker.eventAcknowledged(service, m) }))
	services := append(slices.Clip(simulated), countingConsumer(topology))
	r.checker = newChecker(topology, services, r.labels)
	for _, s := range services {
		if err := r.addService(ctx, s, topology, pool); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// addService starts a service for the first time.
func (r *run) addService(ctx context.Context, s app.Service, topology bus.Topology, pool *databasePool) (err error) {
	s.Topology = topology
	n := &node{run: r, name: s.Name, service: s}
	if n.store, err = pool.get(ctx, s); err != nil {
		return err
	}
	if r.profile.has(clockSkew) {
		n.skew = r.randomSkew()
	}
	r.nodes = append(r.nodes, n)
	return n.start()
}

// begin creates products and customers while there are no faults yet, and then activates those of the profile.
func (r *run) begin(ctx context.Context) error {
	r.setUp()
	_, err := r.drain(ctx)
	r.active = r.profile
	return err
}

// seedStep begins a step: until the next one, all random choices depend on the seed
// and the step's number alone, so that leaving a step out does not change the others.
func (r *run) seedStep(step int) { r.pcg.Seed(r.seed, uint64(step)*0x9e3779b97f4a7c15) }

// maybe returns true in the given percentage of cases.
func (r *run) maybe(percent int) bool { return r.random.IntN(100) < percent }

func (r *run) node(name string) *node {
	return r.nodes[slices.IndexFunc(r.nodes, func(n *node) bool { return n.name == name })]
}

// report records a violation.
func (r *run) report(format string, args ...any) { r.checker.report(format, args...) }

// record adds a line to the history.
func (r *run) record(who, format string, args ...any) {
	r.history.add(r.now.Sub(epoch), who, fmt.Sprintf(format, args...))
}

// observe checks what was committed since the last time it was called.
func (r *run) observe(ctx context.Context) error {
	for _, n := range r.nodes {
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
		r.checker.check(n.name, cs)
	}
	return errors.Join(r.checker.err(), r.checkSleep())
}

// ids makes UUIDv7s from the clock of the process that needs one and a counter.
type ids struct{ made uint64 }

func (s *ids) next(now time.Time) string {
	s.made++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint64(id[8:], 1<<63|s.made)
	return id.String()
}
