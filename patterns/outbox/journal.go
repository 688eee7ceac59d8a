package outbox

import (
	"cmp"
	"context"

	"troupe/patterns/event"
	"troupe/patterns/journal"
	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// keeps reports whether the journal records an event.
func (o *Outbox) keeps(e event.Envelope) bool { return o.journal.Keeps(cmp.Or(e.CorrelationID, e.ID)) }

// record records events when tx commits.
func (o *Outbox) record(tx sqldb.Tx, events []event.Envelope) {
	if len(events) == 0 {
		return
	}
	tx.OnCommit(func() {
		for _, e := range events {
			o.journal.Published(journal.OrderOf(e.CorrelationID, e.Data), e.Time, journal.Event{
				ID: e.ID, Type: e.Type, CausationID: e.CausationID, Traceparent: e.Traceparent, Recipient: e.Recipient, Data: e.Data,
			})
		}
	})
}

// recordUnpublished records the events that are not published, because no service consumes
// them: people want to know of them.
func (o *Outbox) recordUnpublished(ctx context.Context, tx sqldb.Tx, pending []event.Pending) error {
	if !o.journal.On() {
		return nil
	}
	var recorded []event.Envelope
	now, trace := o.now(), telemetry.Traceparent(ctx)
	for _, p := range pending {
		if !o.isUnconsumed(p) {
			continue
		}
		e, err := o.envelope(p, now, trace)
		if err != nil {
			return err
		}
		if o.keeps(e) {
			recorded = append(recorded, e)
		}
	}
	o.record(tx, recorded)
	return nil
}
