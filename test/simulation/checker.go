package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// checker sees every committed change and every message, and reports violations of
// what must always hold. It keeps its own model of the system and trusts no service.
type checker struct {
	topology bus.Topology
	labels   *labels

	journal     []*publishedEvent          // all events, in the order of their commits
	published   map[string]*publishedEvent // by event id
	accepted    map[string]bool            // event ids that the broker has accepted
	handled     map[string]map[string]bool
	repeatable  map[string]map[string]bool // handled by an idempotent handler, so perhaps again
	parked      map[string]map[string]bool
	transitions map[string]int // how often a reservation went from one state to another
	parkCount   int            // how often an event was parked

	orders       []*orderState
	ordersByID   map[string]*orderState
	stock        stockLevels
	reservations map[string]*reservation
	cancelled    map[string]bool    // orders of which inventory has handled the cancellation
	charges      map[string]*charge // by payment id

	slept      time.Duration // by the whole machine
	violations []error
}

// publishedEvent is an event whose outbox row was committed.
type publishedEvent struct {
	bus.Message
	about  string // its correlation id: an order or a user
	source string
}

// orderState is what the checker knows of an order.
type orderState struct {
	id, user, status string
	eventTypes       []string // of all events about it
	deadline         string   // in microseconds since 1970
	paid             bool
	seen             time.Duration // for how long the machine had been awake when it was first seen; negative: it was not yet
	lapsed           bool          // it was just cancelled because of its deadline
	payment          string        // its payment's id, once there is one
	paymentState     string        // the payment's state
}

func newChecker(topology bus.Topology, services []app.Service, l *labels) *checker {
	c := &checker{
		topology: topology, labels: l, published: map[string]*publishedEvent{}, transitions: map[string]int{}, accepted: map[string]bool{},
		handled: map[string]map[string]bool{}, repeatable: map[string]map[string]bool{}, parked: map[string]map[string]bool{},
		ordersByID: map[string]*orderState{}, stock: newStockLevels(),
		reservations: map[string]*reservation{}, cancelled: map[string]bool{}, charges: map[string]*charge{},
	}
	for _, s := range services {
		c.handled[s.Name], c.repeatable[s.Name], c.parked[s.Name] = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	return c
}

// report records a violation.
func (c *checker) report(format string, args ...any) {
	c.violations = append(c.violations, fmt.Errorf(format, args...))
}

// err returns all violations so far; nil if there are none.
func (c *checker) err() error { return errors.Join(c.violations...) }

// check checks what a service committed.
func (c *checker) check(service string, changes []change) {
	touched := map[string]bool{}
	for _, row := range changes {
		switch row.what {
		case "published", "relayed": // see outboxChanged
		case "handled":
			c.eventHandled(service, row.id)
		case "seen":
			c.repeatable[service][row.id] = true
			c.eventHandled(service, row.id)
		case "parked":
			c.eventParked(service, row)
		case "unparked":
			delete(c.parked[service], row.id)
			c.markCancelled(service, row.id, true)
		case "order":
			c.orderChanged(row)
		case "payment":
			c.paymentChanged(row)
		case "reservation":
			c.reservationChanged(row)
			touched[row.id] = true
		case "ledger":
			c.ledgerChanged(row)
		case "stock":
			c.stock.set(row)
		}
	}
	c.outboxChanged(service, changes)
	for _, row := range changes {
		if touched[row.id] {
			delete(touched, row.id)
			c.checkTombstone(row.id)
		}
	}
	if service == "inventory" && len(changes) > 0 {
		c.violations = append(c.violations, c.stock.violations()...)
	}
}

// outboxChanged checks which events were added to an outbox and which have left it. A row
// has the events of a transaction. When it is split, some of them come back in other rows.
func (c *checker) outboxChanged(service string, changes []change) {
	left := map[string]bool{}
	for _, row := range changes {
		if row.what != "published" && row.what != "relayed" {
			continue
		}
		for body := range strings.SplitSeq(row.more, "\n") {
			e, err := event.Decode([]byte(body))
			switch {
			case err != nil:
				c.report("%s has an event in its outbox that cannot be read: %w", service, err)
			case row.what == "relayed":
				left[e.ID] = true
			case left[e.ID]:
				delete(left, e.ID)
			default:
				c.eventPublished(service, e, body)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		c.eventRelayed(service, id)
	}
}

// eventPublished is called when an event was committed to an outbox.
func (c *checker) eventPublished(service string, e event.Envelope, body string) {
	if c.published[e.ID] != nil {
		c.report("%s published event %s twice", service, c.labels.short(e.ID))
		return
	}
	p := &publishedEvent{Message: bus.Message{ID: e.ID, Type: e.Type, Body: []byte(body)}, about: e.CorrelationID, source: service}
	c.add(p)
	c.checkPreconditions(p, e)
	if o := c.ordersByID[p.about]; o != nil {
		o.eventTypes = append(o.eventTypes, p.Type)
		o.paid = o.paid || p.Type == "order.paid.v1"
	}
}

// add adds an event to the journal.
func (c *checker) add(p *publishedEvent) {
	c.published[p.ID] = p
	c.journal = append(c.journal, p)
}

// eventRelayed is called when an event was deleted from its outbox: by now all its
// consumers must be sure to get it.
func (c *checker) eventRelayed(service, id string) {
	if !c.accepted[id] {
		c.report("%s deleted %s from its outbox before the broker had accepted it", service, c.labels.event(c.published[id]))
	}
}

// eventsAccepted is called when the broker was sent messages; errs holds which it did not accept.
func (c *checker) eventsAccepted(messages []bus.Message, errs []error) {
	for i, m := range messages {
		if errs[i] == nil {
			c.accepted[m.ID] = true
		}
	}
}

// eventAcknowledged is called when a message will not be delivered to a service again.
func (c *checker) eventAcknowledged(service string, m bus.Message) {
	if !c.handled[service][m.ID] {
		c.report("%s acknowledged %s without having handled or parked it", service, c.labels.event(c.published[m.ID]))
	}
}

// eventHandled is called when a service committed its inbox row for an event, or when an
// idempotent handler has handled it for the first time.
func (c *checker) eventHandled(service, id string) {
	p := c.published[id]
	switch {
	case p == nil:
		c.report("%s handled event %s, which no service committed", service, c.labels.short(id))
	case !slices.Contains(c.topology[p.Type], service):
		c.report("%s handled %s, which it does not consume", service, c.labels.event(p))
	case c.handled[service][id] && !c.repeatable[service][id]:
		c.report("%s handled %s twice", service, c.labels.event(p))
	}
	c.handled[service][id] = true
	c.markCancelled(service, id, true)
}

// markCancelled records whether inventory has handled the cancellation of an order.
func (c *checker) markCancelled(service, id string, handled bool) {
	if p := c.published[id]; p != nil && service == "inventory" && p.Type == "order.cancelled.v1" {
		c.cancelled[p.about] = handled
	}
}

// eventParked is called when a service parked an event. No handler fails by itself in
// a simulation: only an event that was delivered again and again, or met a storage
// error, may be parked.
func (c *checker) eventParked(service string, row change) {
	c.parked[service][row.id] = true
	c.parkCount++
	c.markCancelled(service, row.id, false)
	excused := strings.HasSuffix(row.more, "never acknowledged") || strings.Contains(row.more, errStorage.Error()) ||
		strings.Contains(row.more, errFull.Error())
	if row.after == "dead" || !excused {
		c.report("%s could not handle %s, which is %s now: %s", service, c.labels.event(c.published[row.id]), row.after, row.more)
	}
}

// orderTransitions are the statuses that may follow each status of an order.
var orderTransitions = map[string][]string{
	"":          {"pending"},
	"pending":   {"confirmed", "cancelled"},
	"confirmed": {"shipped", "cancelled"},
	"shipped":   {"delivered"},
}

// orderChanged is called when an order was placed or changed its status.
func (c *checker) orderChanged(row change) {
	o := c.ordersByID[row.id]
	if o == nil {
		o = &orderState{id: row.id, seen: -1}
		o.user, o.deadline, _ = strings.Cut(row.more, " ")
		c.ordersByID[row.id] = o
		c.orders = append(c.orders, o)
		c.labels.addOrder(row.id)
	}
	if row.before != row.after && !slices.Contains(orderTransitions[row.before], row.after) || row.before != o.status {
		c.report("%s went from %q to %q", c.labels.of(row.id), row.before, row.after)
	}
	o.status = row.after
}

// openOrders returns how many orders are neither paid nor cancelled yet.
func (c *checker) openOrders() (n int) {
	for _, o := range c.orders {
		if o.status == "pending" || o.status == "confirmed" && !o.paid {
			n++
		}
	}
	return n
}
