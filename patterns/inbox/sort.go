package inbox

import (
	"fmt"
	"strings"

	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// From crashAttempt on, an event is parked without a try. Its retries are
// counted before they begin, so that one which kills the process ends up dead,
// and one that merely stood beside it is handled by the first retry.
const crashAttempt = 10

// heard is an event on its way to its reaction.
type heard struct {
	event.Envelope
	body     []byte
	reaction *Handler
	received received // what reaction.decode gave
}

// sort reads a batch. Events that no reaction can be tried on are failures;
// those of types that the service does not know are dropped, and so is the
// second of two with one id.
func (i *Inbox) sort(batch []bus.Delivery) (sorted []heard, failures []failure) {
	sorted = make([]heard, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	for _, d := range batch {
		h, err := i.read(d.Body)
		switch {
		case err != nil:
			failures = append(failures, failure{heard: h.orUnread(d), attempts: 1, err: err})
		case h.reaction == nil:
			i.metrics.ignored.Inc()
		case d.Attempt >= crashAttempt:
			err := fmt.Errorf("handed out %d times and never acknowledged", d.Attempt)
			failures = append(failures, failure{heard: h, err: err})
		case seen[h.ID]:
			i.metrics.duplicates.Inc()
		default:
			seen[h.ID] = true
			sorted = append(sorted, h)
		}
	}
	return sorted, failures
}

// read decodes a body for its reaction, which is nil if the service does not
// know the type. Another major version of a type that it does know is an error.
func (i *Inbox) read(body []byte) (h heard, err error) {
	if h.Envelope, err = event.Decode(body); err != nil {
		return heard{}, Permanent(err)
	}
	h.body, h.reaction = body, i.reactions[h.Type]
	if h.reaction != nil {
		h.received, err = h.reaction.decode(h.Envelope)
		return h, err
	}
	if known := i.otherMajor(h.Type); known != "" {
		return h, Permanent(fmt.Errorf("%s knows %s but not %s", i.service, known, h.Type))
	}
	return h, nil
}

func (i *Inbox) otherMajor(eventType string) (known string) {
	name := withoutMajor(eventType)
	for known := range i.reactions {
		if withoutMajor(known) == name {
			return known
		}
	}
	return ""
}

// withoutMajor cuts the ".v1" off a type.
func withoutMajor(eventType string) string {
	if dot := strings.LastIndex(eventType, ".v"); dot >= 0 {
		return eventType[:dot]
	}
	return eventType
}
