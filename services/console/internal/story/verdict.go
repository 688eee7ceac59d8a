package story

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// verdict returns how the order stands, and why, in a sentence or two.
func (k *knowledge) verdict(now time.Time) string {
	if len(k.emits)+len(k.attempts) == 0 {
		return "Nothing about this order is in the journal."
	}
	switch k.status() {
	case "cancelled":
		return k.cancelledVerdict()
	case "delivered":
		return k.join(k.doneVerdict("Delivered", delivered))
	case "shipped":
		return k.join(k.doneVerdict("Shipped", shipped))
	case "paid":
		return k.join("Paid after " + k.after(paid) + k.whatTookLong(paid) + ".")
	}
	return k.waitingVerdict(now)
}

func (k *knowledge) doneVerdict(word, eventType string) string {
	text := word + " after " + k.after(eventType)
	if k.happened(paid) {
		text += "; paid after " + k.after(paid)
	}
	return text + "."
}

// join returns a verdict with what else is worth knowing: problems that remain, events that
// came twice, messages that did not arrive.
func (k *knowledge) join(verdict string) string {
	parts := []string{verdict}
	for _, p := range k.problems {
		parts = append(parts, sentence(p.text()))
	}
	if n := k.duplicates(); n > 0 {
		parts = append(parts, sentence(count(n, "event")+" came twice and took effect once"))
	}
	for _, m := range k.messages() {
		if m.failed && !m.sent {
			parts = append(parts, sentence("the message about "+m.kind+" did not reach the customer"+inParentheses(errorText(m.reason))))
		}
	}
	return strings.Join(parts, " ")
}

// duplicates returns how many events a consumer has received more than once.
func (k *knowledge) duplicates() (n int) {
	for _, e := range k.emits {
		for _, consumer := range consumersOf(e) {
			attempts := k.deliveries[delivery{e.EventID, consumer}]
			if slices.ContainsFunc(attempts, func(a *step) bool { return a.Outcome == "duplicate" }) {
				n++
				break
			}
		}
	}
	return n
}

// text returns the problem as part of a sentence about other things.
func (p problem) text() string {
	if p.dead {
		return fmt.Sprintf("%s gave up %s after %s%s; replay its dead letter", p.consumer, short(p.eventType), count(p.failures, "attempt"), inParentheses(p.error))
	}
	return fmt.Sprintf("%s failed %s to handle %s%s%s", p.consumer, times(p.failures), short(p.eventType), inParentheses(p.error), nextAttempt(p.next))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func nextAttempt(next *time.Time) string {
	if next == nil {
		return ""
	}
	return "; next attempt at " + clockTime(*next)
}

// waitingVerdict returns the verdict on an order that is neither paid nor cancelled.
func (k *knowledge) waitingVerdict(now time.Time) string {
	if len(k.problems) > 0 && k.problems[0].consumer != "notifications" {
		return k.problems[0].verdict(now) + k.otherProblems()
	}
	held := k.heldUp()
	waited := span(now.Sub(k.waitsSince()))
	if len(held) == 0 {
		return k.join("Waiting for " + waited + "; what for is not in the journal.")
	}
	services, what := whoAndWhat(held)
	return k.join(fmt.Sprintf("Waiting for %s for %s: %s.", list(services), waited, what))
}

func (p problem) verdict(now time.Time) string {
	waited := span(now.Sub(p.since))
	if p.dead {
		return fmt.Sprintf("Stopped for %s: %s gave up %s after %s%s. Replay the dead letter to go on.",
			waited, p.consumer, short(p.eventType), count(p.failures, "attempt"), inParentheses(p.error))
	}
	return fmt.Sprintf("Waiting for %s for %s: its handler failed %s%s%s.", p.consumer, waited, times(p.failures), inParentheses(p.error), nextAttempt(p.next))
}

func (k *knowledge) otherProblems() (text string) {
	for _, p := range k.problems[1:] {
		text += " " + sentence(p.text())
	}
	return text
}

// whoAndWhat returns the services that the order waits for, and what they have not done.
func whoAndWhat(held []owed) (services []string, what string) {
	unreached := map[string]bool{}
	for _, o := range held {
		if !slices.Contains(services, o.service) {
			services = append(services, o.service)
		}
		if o.handle {
			unreached[short(o.types[0])] = true
		}
	}
	slices.Sort(services)
	it, has := "it", "has"
	if len(services) > 1 {
		it, has = "them", "have"
	}
	switch first := held[0]; {
	case len(unreached) == 1 && !slices.ContainsFunc(held, func(o owed) bool { return !o.handle }):
		return services, short(first.types[0]) + " has not reached " + it
	case len(held) == 1 && first.service == "payments" && first.cause.Kind == "handle":
		return services, "the payment provider has not answered"
	case len(held) == 1 && first.service == "orders":
		return services, "it has not decided yet"
	}
	return services, strings.Replace(it, "them", "they", 1) + " " + has + " not answered"
}
