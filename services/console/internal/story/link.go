package story

import (
	"slices"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// joins are the events that follow from two others together. The envelope names one of the
// two as the cause, the one that came last.
var joins = map[string][]string{
	events.OrderConfirmed{}.EventType(): {events.StockReserved{}.EventType(), events.PaymentAuthorized{}.EventType()},
	events.OrderPaid{}.EventType():      {events.StockCommitted{}.EventType(), events.PaymentCaptured{}.EventType()},
}

// undone are the events that state that something was undone.
var undone = []string{
	events.StockReleased{}.EventType(), events.PaymentVoided{}.EventType(), events.PaymentRefunded{}.EventType(),
}

func undoes(eventType string) bool { return slices.Contains(undone, eventType) }

// compensates reports whether the consumer handles the event to undo something.
func compensates(consumer, eventType string) bool {
	return slices.Contains(events.Compensations[eventType], consumer)
}

// link connects the steps with their causes: an attempt with its event and the attempt
// before it, an event with the attempt that has published it.
func (h *history) link() {
	for d, attempts := range h.deliveries {
		event := h.byEvent[d.eventID]
		h.unlinked = h.unlinked || event == nil
		linkAttempts(event, attempts)
	}
	for _, e := range h.emits {
		h.linkEmit(e)
		for _, joined := range joins[e.Type] {
			if with := h.handledFirst(joined, e.Lane); with != nil && !slices.Contains(e.causes, with) {
				e.causes = append(e.causes, with)
			}
		}
	}
}

// linkAttempts links the attempts of one consumer at one event, first to last.
func linkAttempts(event *step, attempts []*step) {
	succeeded := firstOK(attempts)
	var previous *step
	for _, a := range attempts {
		if event != nil {
			a.causes = append(a.causes, event)
		}
		switch {
		case a.attempt.Outcome != journal.Duplicate:
			if previous != nil {
				a.causes = append(a.causes, previous)
			}
			previous = a
		case succeeded != nil:
			a.causes = append(a.causes, succeeded)
		}
	}
}

// firstOK returns the attempt that took effect, nil if there is none.
func firstOK(attempts []*step) *step {
	i := slices.IndexFunc(attempts, func(a *step) bool { return a.attempt.Outcome == journal.OK })
	if i < 0 {
		return nil
	}
	return attempts[i]
}

// linkEmit links an event with the attempt that has published it, or else with the event
// that has caused it.
func (h *history) linkEmit(e *step) {
	id := e.event.CausationID
	if id == "" {
		h.unlinked = h.unlinked || (startsLater(e) && len(h.emits) == 1)
		return
	}
	if by := firstOK(h.deliveries[delivery{id, e.Lane}]); by != nil {
		e.causes = append(e.causes, by)
		return
	}
	if cause := h.byEvent[id]; cause != nil {
		e.causes = append(e.causes, cause)
	}
	h.unlinked = h.unlinked || e.Type != events.OrderCancelled{}.EventType() // a deleted account has caused it
}

// startsLater reports whether an event that no other has caused cannot be the first of an
// order.
func startsLater(e *step) bool { return e.Type != events.OrderCreated{}.EventType() }

// handledFirst returns the attempt by which the service has learned of an event of the type.
func (h *history) handledFirst(eventType, service string) *step {
	for _, e := range h.emits {
		if e.Type == eventType {
			if by := firstOK(h.deliveries[delivery{e.EventID, service}]); by != nil {
				return by
			}
		}
	}
	return nil
}

// publicSteps returns the steps as they are shown: those that happened, in their order, and
// those that are expected at the end.
func publicSteps(steps []*step, ghosts []view.Step) []view.Step {
	public := make([]view.Step, 0, len(steps)+len(ghosts))
	for _, s := range steps {
		for _, c := range s.causes {
			s.Causes = append(s.Causes, c.ID)
		}
		slices.Sort(s.Causes)
		s.Waited = s.wait().Microseconds()
		public = append(public, s.Step)
	}
	return append(public, ghosts...)
}

// wait returns how long an attempt waited: since the attempt before it, or else since its
// event was published.
func (s *step) wait() time.Duration {
	if s.attempt == nil {
		return 0
	}
	var since time.Time
	for _, c := range s.causes {
		at := c.ended
		if c.Kind == "emit" {
			at = c.At
		}
		if at.After(since) {
			since = at
		}
	}
	if since.IsZero() {
		return 0
	}
	return max(s.At.Sub(since), 0)
}

// laneOrder is the order of the services in the picture. Others follow by name.
var laneOrder = []string{"gateway", "orders", "inventory", "payments", "notifications", "users"}

func lanes(steps []view.Step) []string {
	var names []string
	for _, s := range steps {
		if !slices.Contains(names, s.Lane) {
			names = append(names, s.Lane)
		}
	}
	slices.Sort(names)
	sorted := []string{}
	for _, lane := range laneOrder {
		if i := slices.Index(names, lane); i >= 0 {
			sorted = append(sorted, lane)
			names = slices.Delete(names, i, i+1)
		}
	}
	return append(sorted, names...)
}

// foldFrom is the shortest time without any step that is folded.
const foldFrom = time.Second

// folds returns the times in which nothing happened, if something did before and after.
func folds(steps []*step) []view.Fold {
	folded := []view.Fold{}
	if len(steps) == 0 {
		return folded
	}
	busyUntil := steps[0].ended
	for i, s := range steps[1:] {
		if idle := s.At.Sub(busyUntil); idle > foldFrom {
			folded = append(folded, view.Fold{After: steps[i].ID, Took: idle.Microseconds()})
		}
		if s.ended.After(busyUntil) {
			busyUntil = s.ended
		}
	}
	return folded
}
