// Package bus carries events between services, at least once and in any order.
// Its implementations are local (a queue table in the consumer's SQLite file),
// rabbit (RabbitMQ quorum queues) and sim (for simulations); all pass the suite in
// bustest.
package bus

import (
	"context"
	"errors"
)

// ErrUnroutable is the error of a message that one of its hearers has no queue for:
// the topology is broken, the message stays in the outbox. Others may have got it.
var ErrUnroutable = errors.New("a hearer of this message has no queue for it")

// ErrUnavailable is the error of every message of a batch that the bus did not
// take because it can not be reached, or was lost on the way: no message is to
// blame, and one that was lost on the way may have arrived.
var ErrUnavailable = errors.New("the bus can not be reached")

// ErrUnknownType is the error of a message whose type is not in the topology.
var ErrUnknownType = errors.New("the topology does not list this type")

// Topology says for every event type which services hear it. A type with an
// empty list is published and heard by nobody; a type not listed is refused.
type Topology map[string][]string

// Message is an encoded event on its way.
type Message struct {
	ID   string // the event's id
	Type string // the event's type, which routes it
	Body []byte // see event.Encode
}

// Delivery is a message handed to a consumer.
type Delivery struct {
	Message
	// Attempt is how often it was handed out before, as far as the bus knows: 0
	// the first time, more after an error or a crash.
	Attempt int
}

// Publisher takes messages in. The result has one entry per message: nil means
// durably accepted by every queue that should get it.
type Publisher interface {
	Publish(ctx context.Context, messages []Message) []error
}

// BatchHandler handles deliveries. nil acknowledges the batch; an error gives
// all of it back and ends the session, after which the bus starts a new one
// with a higher Attempt. Before that it calls the handler with an empty batch, and
// goes on only when that succeeds: while a handler's database is down, nothing
// is handed out in vain and counted as an attempt.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// Subscriber feeds a service's queue to h, a batch at a time, until ctx ends. The
// context that h gets lasts a few seconds longer (worker.Grace), so that h can
// finish the batch it has; Subscribe then returns nil. It survives the loss of
// the broker: it starts over, patiently, for ever. An error means that it could
// not even begin.
type Subscriber interface {
	Subscribe(ctx context.Context, service string, h BatchHandler) error
}
