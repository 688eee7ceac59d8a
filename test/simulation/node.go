package simulation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/bus/sim"
	"troupe/platform/sqldb"
)

// node is a service: what is on its disk, and the process that runs it, if one does.
type node struct {
	world   *world
	name    string
	service app.Service
	store   sqldb.DB // what outlives the process
	seen    int64    // the last change that the witness saw
	dirty   bool     // something was committed since
	skew    time.Duration
	cut     bool // from the broker

	// The rest dies with the process.
	life     *life
	instance *app.Instance // nil: it is down
	loops    []*loop
	session  *sim.Session
	asking   bool     // the last batch failed: ask before taking more
	doomed   int      // so many more batches will kill it
	backlog  []handed // prefetched
	acks     []ack    // on their way to the broker
	answers  []func() // of the payment provider, on their way here
}

type handed struct {
	bus.Delivery
	tag uint64
}

type ack struct {
	session *sim.Session
	tag     uint64
}

// now is what the service's clock shows.
func (n *node) now() time.Time { return n.world.now.Add(n.skew) }

// start begins a new process on the same disk.
func (n *node) start() error {
	w := n.world
	n.life = newLife()
	db := disk{DB: n.store, life: n.life, service: n.name, fault: w.fault, committed: &n.dirty, lost: n.losesCall}
	service := n.service
	service.Build = func(env app.Env) (app.Components, error) {
		parts, err := n.service.Build(env)
		w.fault.edit(n.name, &parts)
		return parts, err
	}
	l := n.life
	instance, err := app.NewInstance(service, app.Dependencies{
		Environ: map[string]string{"DEMO_CATALOGUE": "false"}, Version: "simulation",
		DB: db, Publisher: publisher{n, l}, JWKS: w.signer.JWKS(), Peers: map[string]string{},
		Transport: http.DefaultTransport, Now: n.now, NewID: n.newID, Log: w.log,
		After:  func(_ time.Duration, f func()) { n.answers = append(n.answers, f) },
		Jitter: w.chance.Float64,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.instance, n.loops = instance, nil
	for _, worker := range instance.Workers {
		n.loops = append(n.loops, &loop{Worker: worker})
	}
	if n.cut {
		return nil
	}
	return n.connect()
}

// losesCall says whether the way to the payment provider fails now.
func (n *node) losesCall() bool {
	lost := n.world.weather.has(provider) && n.world.maybe(10)
	if lost {
		n.life.hurt = errTimeout.Error()
	}
	return lost
}

func (n *node) newID() string { return n.world.ids.next(n.now()) }

// connect begins a new session with the broker.
func (n *node) connect() (err error) {
	n.session, err = n.world.broker.Open(n.name)
	return err
}

// hangUp ends the session: what was handed out and not acknowledged comes back.
// An acknowledgement on its way may still arrive before the end.
func (n *node) hangUp() {
	n.backlog = nil
	if n.world.fault.acksStale() {
		n.session.Break()
		return
	}
	for len(n.acks) > 0 && n.world.maybe(50) {
		n.acknowledge()
	}
	n.acks = nil
	n.session.Break()
	n.asking = false
}

// acknowledge lets the oldest acknowledgement arrive.
func (n *node) acknowledge() {
	a := n.acks[0]
	n.acks = n.acks[1:]
	if n.world.fault.acksStale() {
		a.session = n.session
	}
	_ = a.session.Ack(a.tag) // of a session that is over, it has no effect
}

// crash ends the process, whatever it was doing.
func (n *node) crash() {
	n.life.dead = true
	n.hangUp()
	n.acks = nil
	n.instance, n.loops, n.answers, n.asking = nil, nil, nil, false
}

// up says whether a process runs.
func (n *node) up() bool { return n.instance != nil }

// do has the process do something, which it may not survive. It says whether it did.
func (n *node) do(f func(ctx context.Context)) bool {
	w := n.world
	if w.weather.has(dying) && w.maybe(3) {
		n.life.left = w.chance.IntN(25)
	}
	if w.weather.has(hiccups) && w.maybe(3) {
		n.life.smooth = 1 + w.chance.IntN(15)
	}
	n.life.hurt = ""
	f(context.Background())
	n.life.smooth = forever
	if n.life.dead {
		w.tell(n.name, "dies in the middle")
		n.crash()
		return false
	}
	if n.life.hurt != "" {
		w.tell(n.name, "%s", n.life.hurt)
	}
	n.life.left = forever
	return true
}

// mayHear says whether there is something to be handled.
func (n *node) mayHear() bool {
	return n.up() && !n.cut && (len(n.backlog) > 0 || n.world.broker.Waiting(n.name) > 0)
}

// hear takes some messages in.
func (n *node) hear() {
	w := n.world
	if n.asking {
		n.do(func(ctx context.Context) { n.asking = n.instance.Inbox.Consume(ctx, nil) != nil })
		return
	}
	n.fetch()
	batch := n.backlog[:min(len(n.backlog), 1+w.chance.IntN(8))]
	n.backlog = n.backlog[len(batch):]
	a := ack{n.session, batch[len(batch)-1].tag}
	if w.fault.acksEarly() {
		_ = a.session.Ack(a.tag)
	}
	w.tell(n.name, "hears %s", w.list(batch))
	if n.doomed > 0 {
		n.doomed--
		n.life.left = w.chance.IntN(3)
	}
	var err error
	if !n.do(func(ctx context.Context) { err = n.instance.Inbox.Consume(ctx, deliveries(batch)) }) {
		return
	}
	switch {
	case err == nil:
		n.acks = append(n.acks, a)
	case n.life.hurt != "":
		n.lose()
		n.asking = true
	default:
		w.complain("%s could not take a batch in: %w", n.name, err)
	}
}

// fetch has the broker hand out more than is handled at once.
func (n *node) fetch() {
	if len(n.backlog) >= 8 {
		return
	}
	batch, last := n.session.Receive(1 + n.world.chance.IntN(12))
	for i, d := range batch {
		n.backlog = append(n.backlog, handed{d, last - uint64(len(batch)-1-i)})
	}
}

func deliveries(batch []handed) (ds []bus.Delivery) {
	for _, h := range batch {
		ds = append(ds, h.Delivery)
	}
	return ds
}

// publisher is a process's way to the broker, where messages and confirmations
// get lost.
type publisher struct {
	node *node
	life *life
}

var errLost = errors.New("no confirmation came")

func (p publisher) Publish(_ context.Context, messages []bus.Message) []error {
	w, errs := p.node.world, make([]error, len(messages))
	if p.node.cut || p.life.tick() != nil {
		for i := range errs {
			errs[i] = bus.ErrUnavailable
		}
		w.fault.published(messages, errs)
		return errs
	}
	var sent []bus.Message
	var indices []int
	for i, m := range messages {
		if w.weather.has(confirms) && w.maybe(2) {
			errs[i] = errLost // the message got lost, too
			continue
		}
		sent, indices = append(sent, m), append(indices, i)
	}
	took := w.broker.Publish(sent)
	w.witness.takes(sent, took)
	for n, i := range indices {
		errs[i] = took[n]
		if w.weather.has(confirms) && w.maybe(3) {
			errs[i] = errLost // the message is there
		}
	}
	w.fault.published(messages, errs)
	_ = p.life.tick() // it may die before it hears how it went
	return errs
}

// list names a batch.
func (w *world) list(batch []handed) string {
	var parts []string
	for _, h := range batch {
		parts = append(parts, w.names.event(w.witness.said[h.ID]))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
