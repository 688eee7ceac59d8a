package simulation

import (
	"context"
	"time"
)

// choice is something that could happen next.
type choice struct {
	weight int
	do     func()
}

// step does one thing, chosen at random from all that could happen next.
func (r *run) step(ctx context.Context, number int) error {
	r.history.step = number
	r.seedStep(number)
	choices := r.choices()
	sum := 0
	for _, m := range choices {
		sum += m.weight
	}
	drawn := r.random.IntN(sum)
	for _, m := range choices {
		if drawn -= m.weight; drawn < 0 {
			m.do()
			break
		}
	}
	return r.observe(ctx)
}

// choices returns all that could happen next.
func (r *run) choices() []choice {
	choices := r.customerChoices()
	if len(r.unanswered) > 0 {
		choices = append(choices, choice{6, r.retry})
	}
	choices = append(choices, choice{3, func() { r.advance(time.Duration(1+r.random.IntN(200)) * time.Millisecond) }},
		choice{2, func() { r.advance(time.Duration(1+r.random.IntN(5)) * time.Second) }})
	if r.active.has(longWaits) {
		choices = append(choices, choice{1, func() { r.wait(time.Duration(10+r.random.IntN(440)) * time.Second) }})
	}
	if r.active.has(sleeps) {
		choices = append(choices, choice{1, r.sleep})
	}
	if r.active.has(duplicates) && len(r.checker.journal) > 0 {
		choices = append(choices, choice{2, r.redeliver})
	}
	for _, n := range r.nodes {
		choices = n.choices(choices)
	}
	return choices
}

// customerChoices returns what customers and admins could do next.
func (r *run) customerChoices() (choices []choice) {
	if r.checker.openOrders() < 8 {
		choices = append(choices, choice{6, r.placeOrder})
	}
	return append(choices,
		choice{1, r.cancelOrder}, choice{6, r.adminAction}, choice{1, r.changeProduct}, choice{1, r.republish},
		choice{3, func() {
			switch c := r.anyCustomer(); {
			case c.deleted:
			case r.maybe(2) && c != r.customers[1]:
				r.deleteAccount(c)
			default:
				r.publishAccount(c)
			}
		}})
}

// choices adds what could happen to a service.
func (n *node) choices(choices []choice) []choice {
	r := n.run
	if !n.running() {
		return append(choices, choice{8, n.restart})
	}
	if n.canConsume() {
		choices = append(choices, choice{20, n.consume})
	}
	if len(n.acks) > 0 {
		choices = append(choices, choice{16, n.acknowledge})
	}
	if len(n.responses) > 0 {
		choices = append(choices, choice{6, n.respond})
	}
	for _, l := range n.loops {
		switch due, byTime := l.due(r.now); {
		case due && byTime:
			choices = append(choices, choice{2, func() { n.step(l) }})
		case due:
			choices = append(choices, choice{20, func() { n.step(l) }})
		}
	}
	return n.faultChoices(choices)
}

// faultChoices adds the faults that could happen to a service.
func (n *node) faultChoices(choices []choice) []choice {
	r := n.run
	if r.active.has(crashes) && r.maybe(50) {
		choices = append(choices, choice{1, func() { r.record(n.name, "crashes"); n.crash() }})
	}
	if r.active.has(brokenSessions) && !n.partitioned {
		choices = append(choices, choice{1, n.loseSession})
	}
	if r.active.has(crashLoops) && n.crashingBatches == 0 && r.maybe(10) {
		choices = append(choices, choice{1, func() { n.crashingBatches = 10 + r.random.IntN(10); r.record(n.name, "enters a crash loop") }})
	}
	switch {
	case n.partitioned:
		choices = append(choices, choice{2, n.heal})
	case r.active.has(partitions) && r.maybe(30):
		choices = append(choices, choice{1, n.partition})
	}
	switch {
	case n.diskFull:
		choices = append(choices, choice{2, n.clearDisk})
	case r.active.has(fullDisks) && r.maybe(20):
		choices = append(choices, choice{1, n.fillDisk})
	}
	if r.active.has(clockSkew) && r.maybe(20) {
		choices = append(choices, choice{1, func() {
			n.skew = r.randomSkew()
			r.record(n.name, "its clock is %s off now", n.skew)
		}})
	}
	return choices
}

// randomSkew returns how far a clock is off: up to seconds, or rarely minutes.
func (r *run) randomSkew() time.Duration {
	skew := time.Duration(r.random.IntN(6000)-3000) * time.Millisecond
	if r.maybe(10) {
		skew *= 60
	}
	return skew
}

// redeliver has the broker deliver an event again, however old it is.
func (r *run) redeliver() {
	p := r.checker.journal[r.random.IntN(len(r.checker.journal))]
	consumers := r.checker.topology[p.Type]
	if !r.checker.accepted[p.ID] || len(consumers) == 0 {
		return
	}
	service := consumers[r.random.IntN(len(consumers))]
	r.broker.Duplicate(service, p.Message)
	r.record("broker", "redelivers %s to %s", r.labels.event(p), service)
}

func (n *node) restart() {
	n.run.record(n.name, "restarts")
	if err := n.start(); err != nil {
		n.run.report("%w", err)
	}
}

// respond delivers one of the provider's late responses, in any order.
func (n *node) respond() {
	i := n.run.random.IntN(len(n.responses))
	f := n.responses[i]
	n.responses = append(n.responses[:i:i], n.responses[i+1:]...)
	n.run.record(n.name, "gets a response of the provider")
	f()
}

// loseSession breaks the session; the next one is opened at once.
func (n *node) loseSession() {
	n.run.record(n.name, "loses its session")
	n.closeSession()
	n.reconnect()
}

func (n *node) reconnect() {
	if err := n.connect(); err != nil {
		n.run.report("%w", err)
	}
}

func (n *node) partition() {
	n.run.record(n.name, "is cut off from the broker")
	n.closeSession()
	n.partitioned = true
}

func (n *node) heal() {
	n.run.record(n.name, "reaches the broker again")
	n.partitioned = false
	n.reconnect()
}
