package story

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// jitter is by how much times may disagree without a difference of clocks: an event is on
// its way before the end of the attempt that has published it is measured.
const jitter = 2 * time.Millisecond

// between is a pair of clocks.
type between struct{ from, to string }

// alignClocks moves the times of the steps to one clock, as far as the steps show that the
// clocks differ. A message that arrives before it was sent shows it. The clock that has set
// the time of the first event counts, which is the one of the orders service.
func (h *history) alignClocks() {
	steps := h.all()
	least := map[between]time.Duration{}
	for _, s := range steps {
		for _, c := range s.causes {
			if s.clock == c.clock {
				continue
			}
			pair := between{c.clock, s.clock}
			took := s.At.Sub(c.ended)
			if known, ok := least[pair]; !ok || took < known {
				least[pair] = took
			}
		}
	}
	ahead := offsets(h.firstClock(), least)
	for _, s := range steps {
		if by := ahead[s.clock]; by != 0 {
			s.At, s.ended = s.At.Add(-by), s.ended.Add(-by)
			if s.NextAt != nil {
				next := s.NextAt.Add(-by)
				s.NextAt = &next
			}
		}
	}
}

// firstClock returns the clock of the event that no other has caused; if there are
// several, the first by its id.
func (h *history) firstClock() string {
	for _, e := range h.emits {
		if e.event.CausationID == "" {
			return e.clock
		}
	}
	clocks := []string{}
	for _, s := range h.all() {
		clocks = append(clocks, s.clock)
	}
	if len(clocks) == 0 {
		return ""
	}
	return slices.Min(clocks)
}

// offsets returns by how much each clock is ahead of the first one, given the shortest time
// that a message took from one clock to another.
func offsets(first string, least map[between]time.Duration) map[string]time.Duration {
	ahead := map[string]time.Duration{first: 0}
	neighbours := map[string][]string{}
	for _, p := range slices.SortedFunc(maps.Keys(least), func(a, b between) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	}) {
		neighbours[p.from] = append(neighbours[p.from], p.to)
		neighbours[p.to] = append(neighbours[p.to], p.from)
	}
	for queue := []string{first}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, to := range neighbours[from] {
			if _, known := ahead[to]; known {
				continue
			}
			ahead[to] = ahead[from] + difference(least, from, to)
			queue = append(queue, to)
		}
	}
	return ahead
}

// difference returns by how much the clock to is ahead of from: 0 unless a message between
// them went back in time. With messages both ways it assumes that they took equally long.
func difference(least map[between]time.Duration, from, to string) time.Duration {
	there, hasThere := least[between{from, to}]
	back, hasBack := least[between{to, from}]
	backwards := hasThere && there < -jitter || hasBack && back < -jitter
	switch {
	case !backwards:
		return 0
	case hasThere && hasBack:
		return (there - back) / 2
	case hasThere:
		return there
	case hasBack:
		return -back
	}
	return 0
}

// inOrder returns the steps so that each comes after its causes, and otherwise by time. A
// step that would still be earlier than a cause gets the time of that cause.
func inOrder(steps []*step) []*step {
	waiting := make(map[*step]int, len(steps))
	effects := make(map[*step][]*step, len(steps))
	var ready []*step
	for _, s := range steps {
		waiting[s] = len(s.causes)
		for _, c := range s.causes {
			effects[c] = append(effects[c], s)
		}
		if len(s.causes) == 0 {
			ready = append(ready, s)
		}
	}
	queue := newQueue(ready)
	ordered := make([]*step, 0, len(steps))
	for queue.Len() > 0 {
		s := queue.next()
		ordered = append(ordered, s)
		for _, e := range effects[s] {
			e.notBefore(s)
			if waiting[e]--; waiting[e] == 0 {
				queue.add(e)
			}
		}
	}
	if len(ordered) < len(steps) { // causes in a circle, which only wrong records have
		return inOrder(withoutCircle(steps, ordered))
	}
	return ordered
}

// notBefore moves s to the time of its cause, if s is earlier. An effect in the transaction
// of a handler is as early as the handler's start.
func (s *step) notBefore(cause *step) {
	earliest := cause.At
	if s.Kind == "handle" && cause.Kind == "handle" {
		earliest = cause.ended
	}
	if by := earliest.Sub(s.At); by > 0 {
		s.At, s.ended = s.At.Add(by), s.ended.Add(by)
	}
}

// withoutCircle returns steps of which the first that is in none of the ordered has lost
// its causes.
func withoutCircle(steps, ordered []*step) []*step {
	done := make(map[*step]bool, len(ordered))
	for _, s := range ordered {
		done[s] = true
	}
	var first *step
	for _, s := range steps {
		if !done[s] && (first == nil || earlier(s, first) < 0) {
			first = s
		}
	}
	first.causes = nil
	return steps
}

func earlier(a, b *step) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }
