package simulation

import (
	"context"
	"time"
)

// move is something that could happen next.
type move struct {
	weight int
	make   func()
}

// step has one thing happen, chosen by chance among all that could.
func (w *world) step(ctx context.Context, number int) error {
	w.history.step = number
	w.roll(number)
	moves := w.moves()
	sum := 0
	for _, m := range moves {
		sum += m.weight
	}
	drawn := w.chance.IntN(sum)
	for _, m := range moves {
		if drawn -= m.weight; drawn < 0 {
			m.make()
			break
		}
	}
	return w.observe(ctx)
}

// moves are all things that could happen now.
func (w *world) moves() []move {
	moves := w.business()
	if len(w.lost) > 0 {
		moves = append(moves, move{6, w.repeat})
	}
	moves = append(moves, move{3, func() { w.wait(time.Duration(1+w.chance.IntN(200)) * time.Millisecond) }},
		move{2, func() { w.wait(time.Duration(1+w.chance.IntN(5)) * time.Second) }})
	if w.weather.has(leaps) {
		moves = append(moves, move{1, func() { w.wait(time.Duration(10+w.chance.IntN(140)) * time.Second) }})
	}
	if w.weather.has(repeats) && len(w.witness.journal) > 0 {
		moves = append(moves, move{2, w.duplicate})
	}
	for _, n := range w.nodes {
		moves = n.moves(moves)
	}
	return moves
}

// business is what people do.
func (w *world) business() (moves []move) {
	if w.witness.open() < 8 {
		moves = append(moves, move{6, w.placeOrder})
	}
	return append(moves,
		move{1, w.cancelOrder}, move{6, w.serve}, move{1, w.keepShop},
		move{3, func() {
			switch c := w.pick(); {
			case c.gone:
			case w.maybe(2) && c != w.customers[1]:
				w.leave(c)
			default:
				w.register(c)
			}
		}})
}

// moves adds what could happen in and to a service.
func (n *node) moves(moves []move) []move {
	w := n.world
	if !n.up() {
		return append(moves, move{8, n.restart})
	}
	if n.mayHear() {
		moves = append(moves, move{20, n.hear})
	}
	if len(n.acks) > 0 {
		moves = append(moves, move{16, n.acknowledge})
	}
	if len(n.answers) > 0 {
		moves = append(moves, move{6, n.answer})
	}
	for _, l := range n.loops {
		switch due, byTime := l.due(w.now); {
		case due && byTime:
			moves = append(moves, move{2, func() { n.step(l) }})
		case due:
			moves = append(moves, move{20, func() { n.step(l) }})
		}
	}
	return n.troubles(moves)
}

func (n *node) troubles(moves []move) []move {
	w := n.world
	if w.weather.has(crashes) && w.maybe(50) {
		moves = append(moves, move{1, func() { w.tell(n.name, "crashes"); n.crash() }})
	}
	if w.weather.has(breaks) && !n.cut {
		moves = append(moves, move{1, n.lose})
	}
	if w.weather.has(crashLoops) && n.doomed == 0 && w.maybe(10) {
		moves = append(moves, move{1, func() { n.doomed = 10 + w.chance.IntN(10); w.tell(n.name, "enters a crash loop") }})
	}
	switch {
	case n.cut:
		moves = append(moves, move{2, n.heal})
	case w.weather.has(cuts) && w.maybe(30):
		moves = append(moves, move{1, n.partition})
	}
	if w.weather.has(skews) && w.maybe(20) {
		moves = append(moves, move{1, func() {
			n.skew = w.skew()
			w.tell(n.name, "its clock is %s off now", n.skew)
		}})
	}
	return moves
}

// skew is how far off a clock can be: seconds, or rarely minutes.
func (w *world) skew() time.Duration {
	skew := time.Duration(w.chance.IntN(6000)-3000) * time.Millisecond
	if w.maybe(10) {
		skew *= 60
	}
	return skew
}

func (w *world) wait(d time.Duration) {
	w.now = w.now.Add(d)
	w.history.wait(w.now.Sub(dawn), d)
}

// duplicate has the broker hand out something again, however long ago it was said.
func (w *world) duplicate() {
	f := w.witness.journal[w.chance.IntN(len(w.witness.journal))]
	hearers := w.witness.topology[f.Type]
	if !w.witness.taken[f.ID] || len(hearers) == 0 {
		return
	}
	service := hearers[w.chance.IntN(len(hearers))]
	w.broker.Duplicate(service, f.Message)
	w.tell("broker", "repeats %s for %s", w.names.event(f), service)
}

func (n *node) restart() {
	n.world.tell(n.name, "starts again")
	if err := n.start(); err != nil {
		n.world.complain("%w", err)
	}
}

// answer lets one of the provider's late answers come, any of them.
func (n *node) answer() {
	i := n.world.chance.IntN(len(n.answers))
	f := n.answers[i]
	n.answers = append(n.answers[:i:i], n.answers[i+1:]...)
	n.world.tell(n.name, "hears from the provider")
	f()
}

// lose breaks the session; the next one begins at once.
func (n *node) lose() {
	n.world.tell(n.name, "loses its session")
	n.hangUp()
	n.reconnect()
}

func (n *node) reconnect() {
	if err := n.connect(); err != nil {
		n.world.complain("%w", err)
	}
}

func (n *node) partition() {
	n.world.tell(n.name, "is cut off from the broker")
	n.hangUp()
	n.cut = true
}

func (n *node) heal() {
	n.world.tell(n.name, "reaches the broker again")
	n.cut = false
	n.reconnect()
}
