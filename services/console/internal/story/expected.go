package story

import (
	"slices"
	"strconv"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// The types of the events of the saga.
var (
	created       = events.OrderCreated{}.EventType()
	confirmed     = events.OrderConfirmed{}.EventType()
	paid          = events.OrderPaid{}.EventType()
	shipped       = events.OrderShipped{}.EventType()
	delivered     = events.OrderDelivered{}.EventType()
	cancelled     = events.OrderCancelled{}.EventType()
	reserved      = events.StockReserved{}.EventType()
	rejected      = events.StockRejected{}.EventType()
	committed     = events.StockCommitted{}.EventType()
	released      = events.StockReleased{}.EventType()
	authorized    = events.PaymentAuthorized{}.EventType()
	declined      = events.PaymentDeclined{}.EventType()
	captured      = events.PaymentCaptured{}.EventType()
	captureFailed = events.PaymentCaptureFailed{}.EventType()
	voided        = events.PaymentVoided{}.EventType()
	refunded      = events.PaymentRefunded{}.EventType()
	sent          = events.NotificationSent{}.EventType()
	notSent       = events.NotificationFailed{}.EventType()
)

// answer is a rule of the saga: a service that has learned of all of its events publishes
// one of the answers, the first if all goes well. It does not if one of unless was published.
type answer struct {
	service string
	to      []string
	with    []string
	unless  []string
}

var answers = []answer{
	{"inventory", []string{created}, []string{reserved, rejected}, []string{cancelled, committed}},
	{"payments", []string{created}, []string{authorized, declined}, []string{cancelled, captured}},
	{"orders", []string{rejected}, []string{cancelled}, nil},
	{"orders", []string{declined}, []string{cancelled}, nil},
	{"orders", []string{reserved, authorized}, []string{confirmed, cancelled}, nil},
	{"inventory", []string{confirmed}, []string{committed, rejected}, []string{cancelled}},
	{"payments", []string{confirmed}, []string{captured, captureFailed}, []string{cancelled}},
	{"orders", []string{captureFailed}, []string{cancelled}, nil},
	{"orders", []string{committed, captured}, []string{paid, cancelled}, nil},
	{"inventory", []string{cancelled}, []string{released}, nil},
	{"payments", []string{cancelled}, []string{voided, refunded}, []string{declined}},
}

// owed is a step that must come and has not.
type owed struct {
	service  string
	types    []string // of the events that it may publish; one type that it has to handle
	handle   bool
	next     *time.Time // of the attempt that is planned
	cause    *step      // the event, or the last attempt
	since    time.Time
	attempts int
}

// owes returns the steps that must come and have not: the handling of events, and the
// answers to those that were handled.
func (h *history) owes() (all []owed) {
	for _, e := range h.emits {
		for _, consumer := range consumersOf(e) {
			if o, open := h.owesHandling(e, consumer); open {
				all = append(all, o)
			}
		}
	}
	for _, a := range answers {
		if cause := h.owesAnswer(a); cause != nil {
			all = append(all, owed{service: a.service, types: a.with, cause: cause, since: cause.At})
		}
	}
	return all
}

func consumersOf(e *step) []string {
	if e.event.Recipient != "" {
		return []string{e.event.Recipient}
	}
	return events.Topology[e.Type]
}

// owesHandling returns the attempt that the consumer still has to make at an event, and
// reports whether there is one. There is none after a dead letter.
func (h *history) owesHandling(e *step, consumer string) (owed, bool) {
	attempts := h.deliveries[delivery{e.EventID, consumer}]
	o := owed{service: consumer, types: []string{e.Type}, handle: true, cause: e, since: e.At, attempts: len(attempts)}
	if len(attempts) == 0 {
		return o, h.complete() && !h.hasEffect(e.EventID, consumer)
	}
	if slices.ContainsFunc(attempts, handled) {
		return o, false
	}
	last := attempts[len(attempts)-1]
	o.cause, o.next = last, last.NextAt
	return o, last.attempt.Outcome == journal.Retry
}

// handled reports whether the attempt shows that its event has taken effect.
func handled(a *step) bool {
	return a.attempt.Outcome == journal.OK || a.attempt.Outcome == journal.Duplicate
}

// hasEffect reports whether the service has published something because of the event.
func (h *history) hasEffect(eventID, service string) bool {
	return slices.ContainsFunc(h.emits, func(e *step) bool { return e.event.CausationID == eventID && e.Lane == service })
}

// owesAnswer returns the last step that should have led to the answer, nil if the answer is
// there or is not due.
func (h *history) owesAnswer(a answer) (cause *step) {
	if h.firstOf(slices.Concat(a.with, a.unless)...) != nil {
		return nil
	}
	for _, eventType := range a.to {
		learned := h.handledFirst(eventType, a.service)
		if learned == nil && !h.complete() { // that it was handled may be among what is missing
			learned = h.firstOf(eventType)
		}
		if learned == nil {
			return nil
		}
		if cause == nil || learned.At.After(cause.At) {
			cause = learned
		}
	}
	return cause
}

// firstOf returns the first event of one of the types, nil if there is none.
func (h *history) firstOf(types ...string) (first *step) {
	for _, e := range h.emits {
		if slices.Contains(types, e.Type) && (first == nil || earlier(e, first) < 0) {
			first = e
		}
	}
	return first
}

// ghosts returns the steps that are owed, for the picture. A service that has yet to handle
// an event is expected to publish its answer, too.
func ghosts(all []owed) (steps []view.Step) {
	for _, o := range all {
		if !o.handle {
			steps = append(steps, answerGhost(o, o.cause.ID))
			continue
		}
		waiting := handleGhost(o)
		steps = append(steps, waiting)
		i := slices.IndexFunc(answers, func(a answer) bool {
			return a.service == o.service && len(a.to) == 1 && a.to[0] == o.types[0]
		})
		if i >= 0 && !slices.ContainsFunc(all, func(other owed) bool { return other.service == o.service && !other.handle }) {
			o.types = answers[i].with
			steps = append(steps, answerGhost(o, waiting.ID))
		}
	}
	return steps
}

func handleGhost(o owed) view.Step {
	n := o.attempts + 1
	label := o.service + " has not handled " + short(o.types[0]) + " yet"
	if o.next != nil {
		label = o.service + " tries " + short(o.types[0]) + " again at " + clockTime(*o.next)
	}
	return view.Step{
		ID: o.cause.EventID + "/" + o.service + "/next", Lane: o.service, Kind: "handle", Type: o.types[0], EventID: o.cause.EventID,
		Label: label, Outcome: "waiting", Ghost: true, Attempt: n, At: o.cause.At, NextAt: o.next, Causes: []string{o.cause.ID},
		Compensation: compensates(o.service, o.types[0]),
	}
}

func answerGhost(o owed, cause string) view.Step {
	names := make([]string, len(o.types))
	for i, t := range o.types {
		names[i] = short(t)
	}
	label := "expected: " + o.service + " publishes " + names[0]
	if len(names) > 1 {
		label += " or " + names[1]
	}
	return view.Step{
		ID: cause + "/" + strconv.Itoa(len(o.types)) + "/" + o.types[0], Lane: o.service, Kind: "emit", Type: o.types[0],
		Label: label, Outcome: "expected", Ghost: true, At: o.cause.At, Causes: []string{cause}, Compensation: undoes(o.types[0]),
	}
}
