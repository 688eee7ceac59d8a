// Package story turns what the journal has of an order into its story: the steps with their
// causes, what is still expected, and a sentence that states how the order stands, and why.
// It is pure: it knows no database, no HTTP and no clock.
//
// Causes come first and times second. The clocks of services differ, so a step never comes
// before what has led to it, however the times of the records read.
package story

import (
	"time"

	"troupe/patterns/journal"
	"troupe/services/console/internal/view"
)

// StuckAfter is how long an order may wait for its next step before it counts as stuck.
const StuckAfter = 5 * time.Minute

// Build returns the story of the order that the records are about. They may be in any
// order, and some may be there twice. Records about several orders make no sense.
func Build(records []journal.Record, now time.Time) view.Order {
	h := read(records)
	h.link()
	h.alignClocks()
	steps := inOrder(h.all())
	known := learn(h, steps)
	addStandings(steps)

	o := view.Order{
		OrderSummary: summary(h, known, now),
		States:       known.states(),
		Folds:        folds(steps),
		Spans:        h.viewSpans(),
		Lines:        h.viewLines(),
		Mails:        []view.Mail{},
		Complete:     h.complete(),
		Notes:        h.notes(),
	}
	o.Steps = publicSteps(steps, ghosts(known.owed))
	o.Lanes = lanes(o.Steps)
	return o
}

// Summary returns the line of the order in a list.
func Summary(records []journal.Record, now time.Time) view.OrderSummary {
	h := read(records)
	h.link()
	h.alignClocks()
	return summary(h, learn(h, inOrder(h.all())), now)
}

func summary(h *history, k *knowledge, now time.Time) view.OrderSummary {
	s := view.OrderSummary{
		ID: h.orderID, UserID: k.userID, Status: k.status(), Total: k.total,
		Cause: k.cause(now), Verdict: k.verdict(now), StartedAt: k.began, UpdatedAt: k.last,
	}
	for _, a := range h.attempts {
		s.Attempts++
		if a.failed() {
			s.Failures++
		}
	}
	return s
}
