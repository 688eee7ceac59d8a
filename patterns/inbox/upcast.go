package inbox

import (
	"fmt"

	"troupe/patterns/event"
	"troupe/patterns/retry"
)

// Upcast returns a handler for the events of an earlier major version of the type that h
// handles. It turns each payload into one of the type New, and h handles it as if it had
// been published so. It is needed while there are events of both versions: in queues, among
// the parked events, and from replicas of an earlier version. The envelope does not change.
//
// A publisher publishes an event in one version alone, so that no event takes effect twice.
// Upcast panics if h does not handle events of the type New.
func Upcast[Old, New event.Payload](h Handler, upcast func(Old) New) Handler {
	var none New
	if h.Type != none.EventType() {
		panic(fmt.Sprintf("inbox: Upcast to %s, but the handler is for %s", none.EventType(), h.Type))
	}
	from := KindOf[Old]()
	h.Type = from.eventType
	h.decode = func(e event.Envelope) (r received, err error) {
		old, err := from.decode(e)
		if err != nil {
			return nil, err
		}
		err = recovering(func() error {
			r = &Received[New]{Envelope: e, Payload: upcast(old.payload().(Old))}
			return nil
		})
		if err != nil {
			return nil, retry.Permanent(fmt.Errorf("make a %s of %s: %w", none.EventType(), e.Type, err))
		}
		return r, nil
	}
	return h
}
