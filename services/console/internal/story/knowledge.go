package story

import (
	"encoding/json"
	"slices"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// knowledge is what the steps show about the order, in terms of the shop.
type knowledge struct {
	*history
	began, last time.Time // of the first and the last step
	userID      string
	total       view.Money
	problems    []problem
	owed        []owed
}

// problem is an event that a consumer has not been able to handle.
type problem struct {
	consumer  string
	eventType string
	failures  int
	error     string
	next      *time.Time
	since     time.Time // when the event was published, or first tried
	dead      bool
}

// learn returns what the steps show.
func learn(h *history, steps []*step) *knowledge {
	k := &knowledge{history: h, problems: h.findProblems(), owed: h.owes()}
	if len(steps) > 0 {
		k.began = steps[0].At
	}
	for _, s := range steps {
		if s.ended.After(k.last) {
			k.last = s.ended
		}
	}
	if e := h.firstOf(created); e != nil {
		k.began = e.At
	}
	for _, e := range h.emits {
		k.learnBuyer(e)
	}
	return k
}

// learnBuyer takes over who has ordered, and for how much, from an event that has it.
func (k *knowledge) learnBuyer(e *step) {
	var data struct {
		UserID string        `json:"user_id"`
		Total  *events.Money `json:"total"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return
	}
	if k.userID == "" {
		k.userID = data.UserID
	}
	if data.Total != nil && k.total == (view.Money{}) {
		k.total = view.Money(*data.Total)
	}
}

// findProblems returns the events that could not be handled, those given up first.
func (h *history) findProblems() (problems []problem) {
	for d, attempts := range h.deliveries {
		last := attempts[len(attempts)-1]
		if slices.ContainsFunc(attempts, handled) || !last.failed() {
			continue
		}
		p := problem{
			consumer: d.consumer, eventType: last.Type, failures: max(last.Attempt, failuresOf(attempts)), error: errorText(last.Error),
			next: last.NextAt, since: attempts[0].At, dead: last.attempt.Outcome == journal.Dead,
		}
		if e := h.byEvent[d.eventID]; e != nil {
			p.since = e.At
		}
		problems = append(problems, p)
	}
	slices.SortFunc(problems, compareProblems)
	return problems
}

// compareProblems sorts those that hold up the order before those that hold up a message,
// and those given up before the others.
func compareProblems(a, b problem) int {
	rank := func(p problem) int {
		n := 0
		if p.consumer == "notifications" {
			n += 2
		}
		if !p.dead {
			n++
		}
		return n
	}
	if byRank := rank(a) - rank(b); byRank != 0 {
		return byRank
	}
	if bySince := a.since.Compare(b.since); bySince != 0 {
		return bySince
	}
	if a.consumer+a.eventType < b.consumer+b.eventType {
		return -1
	}
	return 1
}

func failuresOf(attempts []*step) (n int) {
	for _, a := range attempts {
		if a.failed() {
			n++
		}
	}
	return n
}

// happened reports whether an event of one of the types was published.
func (k *knowledge) happened(types ...string) bool { return k.firstOf(types...) != nil }

// after returns how long after the beginning an event of the type was published.
func (k *knowledge) after(eventType string) string { return span(k.firstOf(eventType).At.Sub(k.began)) }

// reasonOf returns the reason that an event of the type carries.
func (k *knowledge) reasonOf(eventType string) string {
	var data struct {
		Reason string `json:"reason"`
	}
	if e := k.firstOf(eventType); e != nil {
		_ = json.Unmarshal(e.Data, &data)
	}
	return data.Reason
}

// statuses are the statuses of an order, the last first, with the event that states each.
var statuses = []struct{ name, eventType string }{
	{"cancelled", cancelled}, {"delivered", delivered}, {"shipped", shipped}, {"paid", paid}, {"confirmed", confirmed}, {"pending", created},
}

func (k *knowledge) status() string {
	for _, s := range statuses {
		if k.happened(s.eventType) {
			return s.name
		}
	}
	return "pending"
}

// states returns the way of the order: the statuses that it has reached, and those to come
// unless it is cancelled.
func (k *knowledge) states() []view.State {
	way := []view.State{}
	for _, s := range slices.Backward(statuses) {
		at := k.firstOf(s.eventType)
		switch {
		case at != nil:
			way = append(way, view.State{Name: s.name, At: &at.At})
		case s.name != "cancelled" && !k.happened(cancelled):
			way = append(way, view.State{Name: s.name})
		}
	}
	return way
}

// causes are the causes by the reason of a cancellation.
var causes = map[string]string{
	"payment_declined": "card_declined", "stock_rejected": "out_of_stock", "deadline": "deadline",
	"customer": "customer", "admin": "admin", "capture_failed": "capture_failed",
}

// cause returns why the order is not simply on its way or done.
func (k *knowledge) cause(now time.Time) string {
	switch {
	case slices.ContainsFunc(k.problems, func(p problem) bool { return p.dead }):
		return "dead_letter"
	case len(k.problems) > 0:
		return "retrying"
	case len(k.heldUp()) > 0 && now.Sub(k.waitsSince()) > StuckAfter:
		return "stuck"
	}
	return causes[k.reasonOf(cancelled)]
}

// heldUp returns the steps that the order itself waits for. Messages to the customer are
// not among them. A cancelled order waits for its compensations alone.
func (k *knowledge) heldUp() []owed {
	over := k.happened(cancelled)
	return slices.DeleteFunc(slices.Clone(k.owed), func(o owed) bool {
		return o.service == "notifications" || over && !compensates(o.service, o.types[0]) && !undoes(o.types[0])
	})
}

// waitsSince returns since when the order has waited for its next step.
func (k *knowledge) waitsSince() (since time.Time) {
	for _, o := range k.heldUp() {
		if since.IsZero() || o.since.Before(since) {
			since = o.since
		}
	}
	if since.IsZero() {
		return k.last
	}
	return since
}
