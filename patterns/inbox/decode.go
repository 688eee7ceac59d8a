package inbox

import (
	"fmt"
	"strings"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/patterns/journal"
	"troupe/patterns/retry"
)

// crashAttempt is the attempt from which on an event is parked without being
// tried. Its retries are counted before they begin. So an event that kills the
// process ends up dead, and one that was only delivered beside it is handled by
// its first retry.
const crashAttempt = 10

// decoded is an event on its way to its handler.
type decoded struct {
	event.Envelope
	body     []byte
	handler  *Handler
	received received // the result of handler.decode
	// receivedAt is when the event was received; the zero time if it was parked before.
	receivedAt time.Time
}

// decodeBatch decodes the deliveries. It returns as failures the events that
// cannot be passed to a handler. It drops events of types that the service does
// not know, and all but the first of several events with the same id.
func (i *Inbox) decodeBatch(batch []bus.Delivery) (events []decoded, failures []failure) {
	events = make([]decoded, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	now := i.now()
	for _, d := range batch {
		e, err := i.decode(d.Body, d.Type)
		e.receivedAt = now
		switch {
		case err != nil:
			failures = append(failures, failure{decoded: e.withKey(d), attempts: 1, err: err})
		case e.handler == nil:
			i.metrics.ignored.Inc()
		case d.Attempt >= crashAttempt:
			err := fmt.Errorf("delivered %d times and never acknowledged", d.Attempt)
			failures = append(failures, failure{decoded: e, err: err})
		case seen[e.ID]:
			i.metrics.duplicates.Inc()
			i.recordAttempt(e, journal.Duplicate, 1, now, now, nil)
		default:
			seen[e.ID] = true
			events = append(events, e)
		}
	}
	return events, failures
}

// decode decodes a body for its handler, which is nil if the service does not
// know the type. Another major version of a type that it does know is an error, and so
// is another type than the one under which the event was published: a broker knows who
// may publish which types, but does not read bodies.
func (i *Inbox) decode(body []byte, publishedAs string) (e decoded, err error) {
	if e.Envelope, err = event.Decode(body); err != nil {
		return decoded{}, retry.Permanent(err)
	}
	if e.Recipient != "" && e.Recipient != i.service {
		return e, nil // without a handler: it is dropped
	}
	if claimed := e.Type; claimed != publishedAs {
		e.Type = cleanText(publishedAs)
		return e, retry.Permanent(fmt.Errorf("the event says that it is %s, but was published as %s", claimed, publishedAs))
	}
	e.body, e.handler = body, i.handlers[e.Type]
	if e.handler != nil {
		e.received, err = e.handler.decode(e.Envelope)
		return e, err
	}
	if known := i.otherMajor(e.Type); known != "" {
		return e, retry.Permanent(fmt.Errorf("%s handles %s but not %s", i.service, known, e.Type))
	}
	return e, nil
}

// otherMajor returns the type that the service handles in another major version
// than eventType, "" if there is none.
func (i *Inbox) otherMajor(eventType string) (known string) {
	name := withoutMajor(eventType)
	for known := range i.handlers {
		if withoutMajor(known) == name {
			return known
		}
	}
	return ""
}

// withoutMajor returns a type without its ".v1".
func withoutMajor(eventType string) string {
	if dot := strings.LastIndex(eventType, ".v"); dot >= 0 {
		return eventType[:dot]
	}
	return eventType
}
