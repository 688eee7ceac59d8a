package story

import (
	"fmt"
	"slices"
	"time"
)

// slowFrom is how long an order may take before its verdict states what took long.
const slowFrom = time.Second

// delay is a part of the time that an order took, with its reason.
type delay struct {
	took time.Duration
	why  string
}

// whatTookLong returns the reason for most of the time until the event of the type, or
// nothing if there is no single one.
func (k *knowledge) whatTookLong(eventType string) string {
	end := k.firstOf(eventType).At
	total := end.Sub(k.began)
	if total < slowFrom {
		return ""
	}
	var longest delay
	for _, d := range slices.Concat(k.retryDelays(end), k.queueDelays(end), k.answerDelays(end)) {
		if d.took > longest.took || d.took == longest.took && d.why < longest.why {
			longest = d
		}
	}
	if longest.took < total*2/5 {
		return ""
	}
	return ": " + longest.why
}

// retryDelays returns the times that went by with attempts that failed.
func (k *knowledge) retryDelays(end time.Time) (delays []delay) {
	for d, attempts := range k.deliveries {
		ok := firstOK(attempts)
		n := failuresOf(attempts)
		if d.consumer == "notifications" || ok == nil || n == 0 || ok.At.After(end) {
			continue
		}
		delays = append(delays, delay{ok.At.Sub(attempts[0].At), fmt.Sprintf("%s needed %s at %s%s",
			d.consumer, count(n+1, "attempt"), short(ok.Type), inParentheses(errorText(attempts[0].Error)))})
	}
	return delays
}

// queueDelays returns how long events were on their way, and to whom.
func (k *knowledge) queueDelays(end time.Time) (delays []delay) {
	for _, e := range k.emits {
		var late []string
		var longest time.Duration
		for _, consumer := range consumersOf(e) {
			attempts := k.deliveries[delivery{e.EventID, consumer}]
			if consumer == "notifications" || len(attempts) == 0 || attempts[0].At.After(end) {
				continue
			}
			if waited := attempts[0].At.Sub(e.At); waited > slowFrom/2 {
				late = append(late, consumer)
				longest = max(longest, waited)
			}
		}
		if late != nil {
			slices.Sort(late)
			delays = append(delays, delay{longest, fmt.Sprintf("%s reached %s only after %s", short(e.Type), list(late), span(longest))})
		}
	}
	return delays
}

// answerDelays returns how long services took to answer what they had handled.
func (k *knowledge) answerDelays(end time.Time) (delays []delay) {
	for _, e := range k.emits {
		if e.Lane == "notifications" || e.At.After(end) || e.event.CausationID == "" {
			continue
		}
		by := firstOK(k.deliveries[delivery{e.event.CausationID, e.Lane}])
		if by == nil {
			continue
		}
		took, who := e.At.Sub(by.At), e.Lane
		if who == "payments" {
			who = "the payment provider"
		}
		delays = append(delays, delay{took, fmt.Sprintf("%s took %s to answer %s", who, span(took), short(by.Type))})
	}
	return delays
}
