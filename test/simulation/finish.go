package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"troupe/test/invariants"
)

// calm is the number of the first step after the storm.
const calm = 1 << 40

// finish ends all trouble and lets the world come to rest. A world that does not,
// or that comes to rest in a wrong state, has failed.
func (w *world) finish(ctx context.Context) error {
	w.next(calm)
	if w.maybe(30) {
		if err := w.lightsOut(ctx); err != nil {
			return err
		}
	}
	w.clearUp()
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.checkRest(ctx); err != nil {
		return err
	}
	if err := w.wakeUpCall(ctx); err != nil {
		return err
	}
	if w.maybe(25) {
		return w.sayItAllAgain(ctx)
	}
	return nil
}

func (w *world) next(step int) {
	w.history.step = step - calm
	w.roll(step)
}

// lightsOut leaves orders alone with its clock until every deadline has passed:
// what nobody answers has to end without them.
func (w *world) lightsOut(ctx context.Context) error {
	w.tell("world", "only orders is left, with nobody to talk to")
	orders := w.node("orders")
	w.weather = 0
	if !orders.up() {
		orders.restart()
	}
	if !orders.cut {
		orders.partition()
	}
	for range 60 { // longer than any deadline, by any clock
		w.wait(10 * time.Second)
		for _, l := range orders.loops {
			for due, _ := l.due(w.now); due && orders.step(l) > 0; {
			}
		}
		if err := w.observe(ctx); err != nil {
			return err
		}
	}
	for _, o := range w.witness.orders {
		if o.status == "pending" {
			return fmt.Errorf("%s is pending long after its deadline", w.names.of(o.id))
		}
	}
	return nil
}

// clearUp ends all trouble.
func (w *world) clearUp() {
	w.tell("world", "the storm is over")
	w.weather = 0
	for _, n := range w.nodes {
		n.doomed = 0
		if !n.up() {
			n.restart()
		}
		if n.cut {
			n.heal()
		}
	}
	for len(w.lost) > 0 {
		w.repeat()
	}
}

// patience is how much of the world's time it may take to come to rest.
const patience = 3 * time.Hour

// settle lets everything happen that is to happen.
func (w *world) settle(ctx context.Context) error {
	end, pause := w.now.Add(patience), time.Second
	for {
		did, err := w.drain(ctx)
		if err != nil {
			return err
		}
		unrest := w.unrest(ctx)
		switch {
		case unrest == nil:
			return nil
		case w.now.After(end):
			return fmt.Errorf("the world does not come to rest: %w", unrest)
		case did > 0:
			pause = time.Second
		default:
			pause = min(2*pause, time.Minute)
		}
		w.wait(pause)
	}
}

// drain has everything happen that can without time going on, and says how much did.
func (w *world) drain(ctx context.Context) (did int, err error) {
	const most = 100_000
	for step := w.history.step + calm + 1; ; step++ {
		w.next(step)
		n := w.drainOnce()
		if err := w.observe(ctx); err != nil || n == 0 {
			return did, err
		}
		if did += n; did > most {
			return did, errors.New("the world runs in circles")
		}
	}
}

func (w *world) drainOnce() (did int) {
	for _, n := range w.nodes {
		for len(n.acks) > 0 {
			n.acknowledge()
			did++
		}
		for len(n.answers) > 0 {
			n.answer()
			did++
		}
		if n.mayHear() {
			n.hear()
			did++
		}
		for _, l := range n.loops {
			if due, _ := l.due(w.now); due {
				did += n.step(l)
			}
		}
	}
	return did
}

// unrest is what keeps the world from being at rest.
func (w *world) unrest(ctx context.Context) error {
	for _, n := range w.nodes {
		if waiting := w.broker.Waiting(n.name); waiting > 0 || len(n.backlog) > 0 {
			return fmt.Errorf("%d messages wait for %s", waiting+len(n.backlog), n.name)
		}
	}
	for _, c := range []struct{ service, what, sql string }{
		{"payments", "open operations", "SELECT count(*) FROM payments WHERE due_at IS NOT NULL"},
		{"notifications", "unsent mails", "SELECT count(*) FROM deliveries WHERE next_at IS NOT NULL"},
		{"orders", "undigested facts", "SELECT count(*) FROM order_timeline WHERE pending"},
		{"orders", "undecided orders", "SELECT count(*) FROM orders WHERE status = 'pending'"},
	} {
		var n int
		if err := w.node(c.service).store.QueryRow(ctx, c.sql).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%s has %d %s", c.service, n, c.what)
		}
	}
	return invariants.Quiet(ctx, w.databases())
}

func (w *world) databases() invariants.Databases {
	d := invariants.Databases{}
	for _, n := range w.nodes {
		d[n.name] = n.store
	}
	return d
}

// wakeUpCall has one more order go all the way while time stands still. Only who
// is woken acts now, so that a wake-up that gets lost, which a timer would make
// up for, shows.
func (w *world) wakeUpCall(ctx context.Context) error {
	w.tell("world", "time stands still")
	w.send(w.stocking(w.skus[0], 25))
	for {
		if did, err := w.drain(ctx); err != nil || did == 0 {
			if err != nil {
				return err
			}
			break
		}
	}
	before := len(w.witness.orders)
	w.send(w.orderRequest(w.customers[1],
		fmt.Sprintf(`{"items":[{"sku":%q,"quantity":1}],"payment_method":"pm_card_visa"}`, w.skus[0]), "orders once more"))
	if _, err := w.drain(ctx); err != nil {
		return err
	}
	if unrest := w.unrest(ctx); unrest != nil {
		return fmt.Errorf("somebody was not woken: %w", unrest)
	}
	for _, o := range w.witness.orders[before:] {
		if !o.paid {
			return fmt.Errorf("%s is %s and not paid, though there was nothing in its way", w.names.of(o.id), o.status)
		}
	}
	return w.checkRest(ctx)
}

// sayItAllAgain has the broker hand out everything that was ever said once more.
// Nothing may come of it.
func (w *world) sayItAllAgain(ctx context.Context) error {
	w.tell("world", "everything is said again")
	before := map[string]int64{}
	for _, n := range w.nodes {
		before[n.name] = n.seen
	}
	for _, f := range w.witness.journal {
		for _, service := range w.witness.topology[f.Type] {
			w.broker.Duplicate(service, f.Message)
		}
	}
	if _, err := w.drain(ctx); err != nil {
		return err
	}
	for _, n := range w.nodes {
		if n.seen != before[n.name] {
			return fmt.Errorf("%s changed something when it heard everything again", n.name)
		}
	}
	return nil
}
