package inbox

import (
	"cmp"
	"time"

	"troupe/patterns/journal"
)

// recordHandled records that events were handled, except those that are not among the fresh
// ones: they had been handled before. Both lists have the same order.
func (i *Inbox) recordHandled(events, fresh []decoded, started, finished time.Time) {
	if !i.journal.On() {
		return
	}
	for _, e := range events {
		outcome := journal.Duplicate
		if len(fresh) > 0 && fresh[0].ID == e.ID {
			outcome, fresh = journal.OK, fresh[1:]
		}
		i.recordAttempt(e, outcome, 1, started, finished, nil)
	}
}

// recordFailed records an attempt that failed.
func (i *Inbox) recordFailed(f failure, state string) {
	outcome := journal.Retry
	if state == stateDead {
		outcome, f.next = journal.Dead, time.Time{}
	}
	i.recordAttempt(f.decoded, outcome, f.attempts, f.started, i.now(), func(a *journal.Attempt) {
		a.Error = cleanText(f.err.Error())
		if !f.next.IsZero() {
			a.NextAt = &f.next
		}
	})
}

// recordAttempt records the n-th attempt to handle an event. A failure completes it.
func (i *Inbox) recordAttempt(e decoded, outcome journal.Outcome, n int, started, finished time.Time, complete func(*journal.Attempt)) {
	if !i.journal.KeepsAttempt(cmp.Or(e.CorrelationID, e.ID), outcome) {
		return
	}
	if started.IsZero() {
		started = finished // its handler was not called
	}
	a := journal.Attempt{
		EventID: e.ID, Type: e.Type, N: max(n, 1), Outcome: outcome, ReceivedAt: e.receivedAt, StartedAt: started, FinishedAt: finished,
		Traceparent: e.Traceparent,
	}
	if a.ReceivedAt.IsZero() {
		a.ReceivedAt = started
	}
	if e.received != nil {
		a.Traceparent = cmp.Or(e.received.envelope().Traceparent, a.Traceparent)
	}
	if complete != nil {
		complete(&a)
	}
	i.journal.Handled(journal.OrderOf(e.CorrelationID, e.Data), a)
}
