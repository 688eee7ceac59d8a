package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// witness sees every committed change and every message, and complains about
// what must never be. It keeps its own account of the world and takes nobody's
// word for anything.
type witness struct {
	topology bus.Topology
	names    *names

	journal  []*fact          // all that was ever said, in the order of the commits
	said     map[string]*fact // by event id
	taken    map[string]bool  // event ids that the broker took
	heard    map[string]map[string]bool
	parked   map[string]map[string]bool
	moves    map[string]int // how often a reservation went from one state to another
	parkings int            // how often an event was parked

	orders       []*orderSeen
	ordersByID   map[string]*orderSeen
	shelf        shelf
	reservations map[string]*reservation
	ended        map[string]bool    // orders of whose end inventory has heard
	charges      map[string]*charge // by payment id

	complaints []error
}

// fact is an event that was said.
type fact struct {
	bus.Message
	about  string // its correlation
	source string
}

type orderSeen struct {
	id, user, status string
	said             []string // the types of all that was said of it
	deadline         string   // in microseconds
	paid             bool
	payment          string // its payment's id, once there is one
	moneyIs          string // the payment's state
}

func newWitness(topology bus.Topology, services []app.Service, n *names) *witness {
	w := &witness{
		topology: topology, names: n, said: map[string]*fact{}, moves: map[string]int{}, taken: map[string]bool{},
		heard: map[string]map[string]bool{}, parked: map[string]map[string]bool{},
		ordersByID: map[string]*orderSeen{}, shelf: newShelf(),
		reservations: map[string]*reservation{}, ended: map[string]bool{}, charges: map[string]*charge{},
	}
	for _, s := range services {
		w.heard[s.Name], w.parked[s.Name] = map[string]bool{}, map[string]bool{}
	}
	return w
}

func (w *witness) complain(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Errorf(format, args...))
}

// verdict is what there is to complain about.
func (w *witness) verdict() error { return errors.Join(w.complaints...) }

// look takes in what a service committed.
func (w *witness) look(service string, changes []change) {
	touched := map[string]bool{}
	for _, c := range changes {
		switch c.what {
		case "said":
			w.says(service, c)
		case "relayed":
			w.relays(service, c)
		case "heard":
			w.hears(service, c.id)
		case "parked":
			w.parks(service, c)
		case "unparked":
			delete(w.parked[service], c.id)
			w.mark(service, c.id, true)
		case "order":
			w.orderMoves(c)
		case "payment":
			w.paymentMoves(c)
		case "reservation":
			w.reserves(c)
			touched[c.id] = true
		case "ledger":
			w.books(c)
		case "stock":
			w.shelf.say(c)
		}
	}
	for _, c := range changes {
		if touched[c.id] {
			delete(touched, c.id)
			w.checkTombstone(c.id)
		}
	}
	if service == "inventory" && len(changes) > 0 {
		w.complaints = append(w.complaints, w.shelf.check()...)
	}
}

func (w *witness) says(service string, c change) {
	if w.said[c.id] != nil {
		w.complain("%s says event %s twice", service, w.names.short(c.id))
		return
	}
	e, err := event.Decode([]byte(c.more))
	if err != nil {
		w.complain("%s says something unreadable: %w", service, err)
		return
	}
	f := &fact{Message: bus.Message{ID: c.id, Type: c.after, Body: []byte(c.more)}, about: e.CorrelationID, source: service}
	w.note(f)
	w.checkGrounds(f, e)
	if o := w.ordersByID[f.about]; o != nil {
		o.said = append(o.said, f.Type)
		o.paid = o.paid || f.Type == "order.paid.v1"
	}
}

func (w *witness) note(f *fact) {
	w.said[f.ID] = f
	w.journal = append(w.journal, f)
}

// relays hears that an event was taken out of its outbox: all its hearers must
// be able to count on it by now.
func (w *witness) relays(service string, c change) {
	if !w.taken[c.id] {
		w.complain("%s took %s out of its outbox before the broker had it", service, w.names.event(w.said[c.id]))
	}
}

// takes hears that the broker took messages: only what is committed may be said.
func (w *witness) takes(messages []bus.Message, errs []error) {
	for i, m := range messages {
		if errs[i] == nil {
			w.taken[m.ID] = true
		}
	}
}

// acknowledges hears that a service will not be told of a message again.
func (w *witness) acknowledges(service string, m bus.Message) {
	if !w.heard[service][m.ID] {
		w.complain("%s acknowledged %s without having handled or parked it", service, w.names.event(w.said[m.ID]))
	}
}

func (w *witness) hears(service, id string) {
	f := w.said[id]
	switch {
	case f == nil:
		w.complain("%s heard event %s, which nobody ever committed", service, w.names.short(id))
	case !slices.Contains(w.topology[f.Type], service):
		w.complain("%s heard %s, which is none of its business", service, w.names.event(f))
	case w.heard[service][id]:
		w.complain("%s handled %s twice", service, w.names.event(f))
	}
	w.heard[service][id] = true
	w.mark(service, id, true)
}

// mark notes whether inventory has handled the end of an order.
func (w *witness) mark(service, id string, handled bool) {
	if f := w.said[id]; f != nil && service == "inventory" && f.Type == "order.cancelled.v1" {
		w.ended[f.about] = handled
	}
}

// parks hears that an event could not be handled. Nothing in here fails by
// itself: only what was handed out again and again, or met a hiccup, may be put aside.
func (w *witness) parks(service string, c change) {
	w.parked[service][c.id] = true
	w.parkings++
	w.mark(service, c.id, false)
	excused := strings.HasPrefix(c.more, "handed out") || strings.Contains(c.more, errHiccup.Error())
	if c.after == "dead" || !excused {
		w.complain("%s could not handle %s, which is %s now: %s", service, w.names.event(w.said[c.id]), c.after, c.more)
	}
}

// forward is where an order may go from each status.
var forward = map[string][]string{
	"":          {"pending"},
	"pending":   {"confirmed", "cancelled"},
	"confirmed": {"shipped", "cancelled"},
	"shipped":   {"delivered"},
}

func (w *witness) orderMoves(c change) {
	o := w.ordersByID[c.id]
	if o == nil {
		o = &orderSeen{id: c.id}
		o.user, o.deadline, _ = strings.Cut(c.more, " ")
		w.ordersByID[c.id] = o
		w.orders = append(w.orders, o)
		w.names.order(c.id)
	}
	if c.before != c.after && !slices.Contains(forward[c.before], c.after) || c.before != o.status {
		w.complain("%s went from %q to %q", w.names.of(c.id), c.before, c.after)
	}
	o.status = c.after
}

// open is how many orders are not settled yet.
func (w *witness) open() (n int) {
	for _, o := range w.orders {
		if o.status == "pending" || o.status == "confirmed" && !o.paid {
			n++
		}
	}
	return n
}
