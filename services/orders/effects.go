package orders

import (
	"fmt"
	"maps"
	"slices"

	"troupe/events"
	"troupe/patterns/event"
	"troupe/patterns/inbox"
	"troupe/services/orders/internal/order"
	"troupe/services/orders/internal/store"
)

// effect is what a type of event about orders does to an order.
type effect struct {
	eventType string
	facts     order.Facts // what the order learns from it
	deletes   bool        // the event deletes the customer, instead of adding facts
	kind      inbox.Kind
	sentence  func(event.Payload) string // for the timeline
}

// eventEffects are the effects of all events that become part of an order's
// timeline.
var eventEffects = []effect{
	effectOf(order.Facts{Stock: order.StockReserved}, stockReservedSentence),
	effectOf(order.Facts{Stock: order.StockShort}, stockRejectedSentence),
	effectOf(order.Facts{Stock: order.StockCommitted}, stockCommittedSentence),
	effectOf(order.Facts{Stock: order.StockReleased}, stockReleasedSentence),
	effectOf(order.Facts{Payment: order.MoneyAuthorized}, paymentAuthorizedSentence),
	effectOf(order.Facts{Payment: order.MoneyDeclined}, paymentDeclinedSentence),
	effectOf(order.Facts{Payment: order.MoneyCaptured}, paymentCapturedSentence),
	effectOf(order.Facts{Payment: order.MoneyCaptureFailed}, paymentCaptureFailedSentence),
	effectOf(order.Facts{Payment: order.MoneyVoided}, paymentVoidedSentence),
	effectOf(order.Facts{Payment: order.MoneyRefunded}, paymentRefundedSentence),
	{eventType: events.UserDeleted{}.EventType(), deletes: true},
}

var effectsByType = indexEffects(eventEffects)

// knownTypes are the types whose recorded events the decider applies. Others, which a
// newer version has recorded before a rollback, stay pending until it runs again.
var knownTypes = store.NewEventTypes(slices.Sorted(maps.Keys(effectsByType))...)

// effectOf returns the effect of an event of type E: the facts, and the sentence for
// the timeline.
func effectOf[E event.Payload](facts order.Facts, sentence func(E) string) effect {
	var e E
	return effect{
		eventType: e.EventType(), facts: facts, kind: inbox.KindOf[E](),
		sentence: func(p event.Payload) string { return sentence(p.(E)) },
	}
}

func indexEffects(effects []effect) map[string]effect {
	byType := make(map[string]effect, len(effects))
	for _, e := range effects {
		byType[e.eventType] = e
	}
	return byType
}

// checkEffects returns an error if an event would be recorded without any effect on
// its order.
func checkEffects(effects []effect) error {
	for _, e := range effects {
		if e.facts == (order.Facts{}) && !e.deletes {
			return fmt.Errorf("orders consumes %s but learns nothing from it: "+
				"add its facts to eventEffects in services/orders/effects.go", e.eventType)
		}
	}
	return nil
}

// apply lets o know what the event means.
func (e effect) apply(o *order.Order) {
	if e.deletes {
		o.CustomerDeleted()
		return
	}
	o.Record(e.facts)
}
