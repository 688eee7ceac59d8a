package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/test/invariants"
)

// quietStep is the number of the first step after the faults.
const quietStep = 1 << 40

// finish ends all faults and lets the system become quiet. A run that does not become
// quiet, or that does so in a wrong state, has failed.
func (r *run) finish(ctx context.Context) error {
	r.beginStep(quietStep)
	if r.maybe(30) {
		if err := r.checkDeadlines(ctx); err != nil {
			return err
		}
	}
	r.endFaults()
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.checkQuiet(ctx); err != nil {
		return err
	}
	if err := r.checkWakeSignals(ctx); err != nil {
		return err
	}
	if r.maybe(25) {
		return r.redeliverAll(ctx)
	}
	return nil
}

// beginStep begins a step after the faults.
func (r *run) beginStep(step int) {
	r.history.step = step - quietStep
	r.seedStep(step)
}

// checkDeadlines runs orders alone until every deadline has passed: an order that no
// other service answers must end nevertheless.
func (r *run) checkDeadlines(ctx context.Context) error {
	r.record("run", "only orders runs, without the broker")
	orders := r.node("orders")
	r.active = 0
	if orders.diskFull {
		orders.clearDisk()
	}
	if !orders.running() {
		orders.restart()
	}
	if !orders.partitioned {
		orders.partition()
	}
	for range 450 { // longer than any deadline, by any clock
		r.advance(tick)
		for _, l := range orders.loops {
			for due, _ := l.due(r.now); due && orders.step(l) > 0; {
			}
		}
		if err := r.observe(ctx); err != nil {
			return err
		}
	}
	for _, o := range r.checker.orders {
		if o.status == "pending" {
			return fmt.Errorf("%s is pending long after its deadline", r.labels.of(o.id))
		}
	}
	return nil
}

// endFaults ends all faults and answers all requests.
func (r *run) endFaults() {
	r.record("run", "there are no more faults")
	r.active = 0
	for _, n := range r.nodes {
		n.crashingBatches = 0
		if n.diskFull {
			n.clearDisk()
		}
		if !n.running() {
			n.restart()
		}
		if n.partitioned {
			n.heal()
		}
	}
	for len(r.unanswered) > 0 {
		r.retry()
	}
}

// settleTimeout is how much simulated time it may take until the system is quiet.
const settleTimeout = 3 * time.Hour

// settle lets time pass until nothing is left to do.
func (r *run) settle(ctx context.Context) error {
	end, pause := r.now.Add(settleTimeout), time.Second
	for {
		did, err := r.drain(ctx)
		if err != nil {
			return err
		}
		unfinished := r.unfinished(ctx)
		switch {
		case unfinished == nil:
			return nil
		case r.now.After(end):
			return fmt.Errorf("the system does not become quiet: %w", unfinished)
		case did > 0:
			pause = time.Second
		default:
			pause = min(2*pause, time.Minute)
		}
		r.wait(pause)
	}
}

// drain does everything that can be done without time passing, and returns how much it did.
func (r *run) drain(ctx context.Context) (did int, err error) {
	const most = 100_000
	for step := r.history.step + quietStep + 1; ; step++ {
		r.beginStep(step)
		n := r.drainOnce()
		if err := r.observe(ctx); err != nil || n == 0 {
			return did, err
		}
		if did += n; did > most {
			return did, errors.New("the system never runs out of work")
		}
	}
}

func (r *run) drainOnce() (did int) {
	for _, n := range r.nodes {
		for len(n.acks) > 0 {
			n.acknowledge()
			did++
		}
		for len(n.responses) > 0 {
			n.respond()
			did++
		}
		if n.canConsume() {
			n.consume()
			did++
		}
		for _, l := range n.loops {
			if due, _ := l.due(r.now); due {
				did += n.step(l)
			}
		}
	}
	return did
}

// unfinished returns what is left to do as an error; nil if the system is quiet.
func (r *run) unfinished(ctx context.Context) error {
	for _, n := range r.nodes {
		if waiting := r.broker.Waiting(n.name); waiting > 0 || len(n.prefetched) > 0 {
			return fmt.Errorf("%d messages wait for %s", waiting+len(n.prefetched), n.name)
		}
	}
	for _, c := range []struct{ service, what, sql string }{
		{"payments", "open operations", `SELECT count(*) FROM payments
			WHERE due_at IS NOT NULL OR operations LIKE '%"status":"due"%' OR operations LIKE '%"status":"unknown"%'`},
		{"payments", "leases", "SELECT count(*) FROM payment_leases"},
		{"notifications", "unsent mails", "SELECT count(*) FROM deliveries WHERE next_at IS NOT NULL OR state = 'sending'"},
		{"orders", "unprocessed facts", "SELECT count(*) FROM order_timeline WHERE pending"},
		{"orders", "undecided orders", "SELECT count(*) FROM orders WHERE status = 'pending'"},
	} {
		var n int
		if err := r.node(c.service).store.QueryRow(ctx, c.sql).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%s has %d %s", c.service, n, c.what)
		}
	}
	return invariants.Quiet(ctx, r.databases())
}

func (r *run) databases() invariants.Databases {
	d := invariants.Databases{}
	for _, n := range r.nodes {
		d[n.name] = n.store
	}
	return d
}

// checkWakeSignals completes one more order while time stands still. Now only workers
// that are woken act, so that a lost wake signal shows, which a timer would hide.
func (r *run) checkWakeSignals(ctx context.Context) error {
	r.record("run", "time stands still")
	r.send(r.stockRequest(r.skus[0], 25))
	for {
		if did, err := r.drain(ctx); err != nil || did == 0 {
			if err != nil {
				return err
			}
			break
		}
	}
	before := len(r.checker.orders)
	r.send(r.orderRequest(r.customers[1],
		fmt.Sprintf(`{"items":[{"sku":%q,"quantity":1}],"payment_method":"pm_card_visa"}`, r.skus[0]), "orders once more"))
	if _, err := r.drain(ctx); err != nil {
		return err
	}
	if unfinished := r.unfinished(ctx); unfinished != nil {
		return fmt.Errorf("a worker was not woken: %w", unfinished)
	}
	for _, o := range r.checker.orders[before:] {
		if !o.paid {
			return fmt.Errorf("%s is %s and not paid, although nothing prevents it", r.labels.of(o.id), o.status)
		}
	}
	return r.checkQuiet(ctx)
}

// redeliverAll has the broker deliver every event once more, which must change nothing.
func (r *run) redeliverAll(ctx context.Context) error {
	r.record("run", "everything is redelivered")
	before := map[string]int64{}
	for _, n := range r.nodes {
		before[n.name] = n.seen
	}
	for _, p := range r.checker.journal {
		for _, service := range r.checker.topology[p.Type] {
			r.broker.Duplicate(service, p.Message)
		}
	}
	if _, err := r.drain(ctx); err != nil {
		return err
	}
	for _, n := range r.nodes {
		if n.seen != before[n.name] {
			return fmt.Errorf("%s changed something when everything was redelivered", n.name)
		}
	}
	return nil
}
