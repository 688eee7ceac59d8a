package outbox

import (
	"bytes"
	"fmt"
	"math"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
)

// The limits of a row.
const (
	maxEvents = 50
	maxBytes  = 256 << 10 // unless one event alone is larger
)

// untilSplit is the retry_at of a row with several events. A replica of version 0.1, which
// runs beside this one during a rollout, would publish the body of such a row as one event.
// It takes no row before its time, and this time never comes.
const untilSplit = math.MaxInt64

// packet is one row.
type packet struct {
	key       string        // the id of the first event
	createdAt int64         // in microseconds
	messages  []bus.Message // its events
}

// pack distributes events among as few rows as the limits allow, in their order.
func pack(messages []bus.Message) (packs [][]bus.Message) {
	first, size := 0, 0
	for i, m := range messages {
		if i > first && (i-first == maxEvents || size+len(m.Body) > maxBytes) {
			packs = append(packs, messages[first:i])
			first, size = i, 0
		}
		size += len(m.Body) + 1
	}
	return append(packs, messages[first:])
}

// join returns the encoded events, a line each: JSON has no line feed.
func join(messages []bus.Message) string {
	bodies := make([][]byte, len(messages))
	for i, m := range messages {
		bodies[i] = m.Body
	}
	return string(bytes.Join(bodies, []byte("\n")))
}

// scanPacket reads a row. The ids and types of all events but the first are in their
// bodies.
func scanPacket(r sqldb.Row) (p packet, err error) {
	var first bus.Message
	var n int
	if err := r.Scan(&first.ID, &first.Type, &first.Body, &p.createdAt, &n); err != nil {
		return packet{}, err
	}
	p.key, p.messages = first.ID, append(make([]bus.Message, 0, n), first)
	if n == 1 {
		return p, nil
	}
	var rest []byte
	p.messages[0].Body, rest, _ = bytes.Cut(first.Body, []byte("\n"))
	for body := range bytes.SplitSeq(rest, []byte("\n")) {
		e, err := event.Decode(body)
		if err != nil {
			return packet{}, fmt.Errorf("read row %s of the outbox: %w", p.key, err)
		}
		p.messages = append(p.messages, bus.Message{ID: e.ID, Type: e.Type, Body: body})
	}
	return p, nil
}
