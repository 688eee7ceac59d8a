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
	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
)

// node is a service: its database, and the process that runs it unless it is down.
type node struct {
	run         *run
	name        string
	service     app.Service
	store       sqldb.DB // the database itself, which survives the process
	seen        int64    // the number of the last change that was checked
	dirty       bool     // something was committed since
	skew        time.Duration
	partitioned bool // from the broker
	diskFull    bool // the database can be read but not written

	// The rest is lost with the process.
	process         *process
	instance        *app.Instance // nil: it is down
	loops           []*loop
	session         *sim.Session
	retrying        bool        // the last batch failed: the inbox is asked before more is consumed
	crashingBatches int         // how many more batches crash it
	prefetched      []delivered // received and not handled yet
	acks            []ack       // on their way to the broker
	responses       []func()    // of the payment provider, on their way to the service
}

// delivered is a delivery with its tag.
type delivered struct {
	bus.Delivery
	tag uint64
}

// ack is an acknowledgement up to a tag.
type ack struct {
	session *sim.Session
	tag     uint64
}

// now returns what the service's clock shows.
func (n *node) now() time.Time { return n.run.now.Add(n.skew) }

// start starts a new process on the same database.
func (n *node) start() error {
	r := n.run
	n.process = newProcess()
	n.process.diskFull = n.diskFull
	db := faultyDB{DB: n.store, process: n.process, service: n.name, bug: r.bug, committed: &n.dirty, losesCall: n.losesCall}
	service := n.service
	service.Build = func(env app.Env) (app.Components, error) {
		components, err := n.service.Build(env)
		r.bug.edit(n.name, &components)
		for i, h := range components.Handlers {
			components.Handlers[i] = inbox.Then(h, recordSeen)
		}
		return components, err
	}
	instance, err := app.NewInstance(service, app.Dependencies{
		Environ: map[string]string{"INVENTORY_DEMO_CATALOGUE": "false", "NOTIFICATIONS_MAILS_PER_HOUR": "0", "NOTIFICATIONS_PUSHES_PER_HOUR": "0"}, Version: "simulation",
		DB: db, Publisher: publisher{n, n.process}, JWKS: r.signer.JWKS(), Peers: map[string]string{},
		Transport: http.DefaultTransport, Now: n.now, NewID: n.newID, Log: r.log,
		After:  func(_ time.Duration, f func()) { n.responses = append(n.responses, f) },
		Jitter: r.random.Float64,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.instance, n.loops = instance, nil
	for _, worker := range instance.Workers {
		n.loops = append(n.loops, &loop{Worker: worker})
	}
	if n.partitioned {
		return nil
	}
	return n.connect()
}

// losesCall reports whether the network to the payment provider fails now.
func (n *node) losesCall() bool {
	lost := n.run.active.has(lostProviderCalls) && n.run.maybe(10)
	if lost {
		n.process.failure = errTimeout.Error()
	}
	return lost
}

func (n *node) newID() string { return n.run.ids.next(n.now()) }

// connect opens a new session with the broker.
func (n *node) connect() (err error) {
	n.session, err = n.run.broker.Open(n.name)
	return err
}

// closeSession ends the session: what was delivered and not acknowledged is delivered
// again. An acknowledgement that is on its way may still arrive before.
func (n *node) closeSession() {
	n.prefetched = nil
	if n.run.bug.acksStale() {
		n.session.Break()
		return
	}
	for len(n.acks) > 0 && n.run.maybe(50) {
		n.acknowledge()
	}
	n.acks = nil
	n.session.Break()
	n.retrying = false
}

// acknowledge delivers the oldest acknowledgement to the broker.
func (n *node) acknowledge() {
	a := n.acks[0]
	n.acks = n.acks[1:]
	if n.run.bug.acksStale() {
		a.session = n.session
	}
	_ = a.session.Ack(a.tag) // it has no effect if its session is over
}

// crash ends the process in the middle of what it does.
func (n *node) crash() {
	n.process.crashed = true
	n.closeSession()
	n.acks = nil
	n.instance, n.loops, n.responses, n.retrying = nil, nil, nil, false
}

// running reports whether a process runs.
func (n *node) running() bool { return n.instance != nil }

// execute has the process do something, during which it may crash. It reports whether
// the process has survived.
func (n *node) execute(f func(ctx context.Context)) bool {
	r := n.run
	if r.active.has(midwayCrashes) && r.maybe(3) {
		n.process.untilCrash = r.random.IntN(25)
	}
	if r.active.has(storageErrors) && r.maybe(3) {
		n.process.untilError = 1 + r.random.IntN(15)
	}
	n.process.failure = ""
	f(context.Background())
	n.process.untilError = forever
	if n.process.crashed {
		r.record(n.name, "crashes midway")
		n.crash()
		return false
	}
	if n.process.failure != "" {
		r.record(n.name, "%s", n.process.failure)
	}
	n.process.untilCrash = forever
	return true
}

// canConsume reports whether there is something to handle.
func (n *node) canConsume() bool {
	return n.running() && !n.partitioned && (len(n.prefetched) > 0 || n.run.broker.Waiting(n.name) > 0)
}

// consume handles some messages.
func (n *node) consume() {
	r := n.run
	if n.retrying {
		n.execute(func(ctx context.Context) { n.retrying = n.instance.Inbox.Consume(ctx, nil) != nil })
		return
	}
	n.fetch()
	batch := n.prefetched[:min(len(n.prefetched), 1+r.random.IntN(8))]
	n.prefetched = n.prefetched[len(batch):]
	a := ack{n.session, batch[len(batch)-1].tag}
	if r.bug.acksEarly() {
		_ = a.session.Ack(a.tag)
	}
	r.record(n.name, "consumes %s", r.list(batch))
	if n.crashingBatches > 0 {
		n.crashingBatches--
		n.process.untilCrash = r.random.IntN(3)
	}
	if r.bug.acksHalf() {
		batch = batch[:(len(batch)+1)/2]
	}
	var err error
	if !n.execute(func(ctx context.Context) { err = n.instance.Inbox.Consume(ctx, deliveries(batch)) }) {
		return
	}
	switch {
	case err == nil:
		n.acks = append(n.acks, a)
	case n.process.failure != "":
		n.loseSession()
		n.retrying = true
	default:
		r.report("%s could not handle a batch: %w", n.name, err)
	}
}

// fetch receives more from the broker than is handled at once.
func (n *node) fetch() {
	if len(n.prefetched) >= 8 {
		return
	}
	batch, last := n.session.Receive(1 + n.run.random.IntN(12))
	for i, d := range batch {
		n.prefetched = append(n.prefetched, delivered{d, last - uint64(len(batch)-1-i)})
	}
}

func deliveries(batch []delivered) (ds []bus.Delivery) {
	for _, h := range batch {
		ds = append(ds, h.Delivery)
	}
	return ds
}

// publisher is a process's connection to the broker, on which messages and
// confirmations get lost.
type publisher struct {
	node    *node
	process *process
}

var errLost = errors.New("no confirmation came")

func (p publisher) Publish(_ context.Context, messages []bus.Message) []error {
	r, errs := p.node.run, make([]error, len(messages))
	if p.node.partitioned || p.process.operation() != nil {
		for i := range errs {
			errs[i] = bus.ErrUnavailable
		}
		r.bug.published(messages, errs)
		return errs
	}
	var sent []bus.Message
	var indices []int
	for i, m := range messages {
		if r.active.has(lostConfirms) && r.maybe(2) {
			errs[i] = errLost // and the broker did not get the message
			continue
		}
		sent, indices = append(sent, m), append(indices, i)
	}
	results := r.broker.Publish(sent)
	r.checker.eventsAccepted(sent, results)
	for n, i := range indices {
		errs[i] = results[n]
		if r.active.has(lostConfirms) && r.maybe(3) {
			errs[i] = errLost // although the broker got the message
		}
	}
	r.bug.published(messages, errs)
	_ = p.process.operation() // it may crash before it gets the result
	return errs
}

// list returns the labels of a batch.
func (r *run) list(batch []delivered) string {
	var parts []string
	for _, h := range batch {
		parts = append(parts, r.labels.event(r.checker.published[h.ID]))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
