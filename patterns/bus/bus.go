// Package bus carries events between services, at least once and in any order.
// Its implementations are local (a queue table in the consumer's SQLite file),
// rabbit (RabbitMQ quorum queues) and sim (a broker in memory, for simulations).
// All three pass the contract suite in bustest.
package bus

import (
	"context"
	"errors"
)

// ErrUnroutable is the error of a message when one of its consumers has no queue.
// The topology is broken, and the message stays in the outbox. Other consumers may
// have received it.
var ErrUnroutable = errors.New("a consumer of this message has no queue for it")

// ErrUnavailable is the error of every message of a batch that the bus did not
// accept because it cannot be reached or because the connection was lost. It is not
// the fault of any message. After a lost connection a message may still have
// arrived.
var ErrUnavailable = errors.New("the bus cannot be reached")

// ErrUnknownType is the error of a message whose type is not in the topology.
var ErrUnknownType = errors.New("the topology does not list this type")

// Message is an encoded event on its way.
type Message struct {
	ID   string // the event's id
	Type string // the event's type, which routes it
	Body []byte // see event.Encode
}

// Delivery is a message handed to a consumer.
type Delivery struct {
	Message
	// Attempt is how often the message was delivered before, as far as the bus
	// knows: 0 the first time, more after an error or a crash.
	Attempt int
}

// Publisher accepts messages. The result has one entry per message: nil means that
// every queue that should get the message has durably accepted it.
type Publisher interface {
	Publish(ctx context.Context, messages []Message) []error
}

// BatchHandler handles deliveries. Returning nil acknowledges the batch. Returning
// an error requeues all of it and ends the session; the bus then starts a new
// session and delivers the batch again with a higher Attempt. Before that it calls
// the handler with an empty batch and continues only when that succeeds: while a
// handler's database is down, no message is delivered and counted as an attempt.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// Subscriber delivers a service's queue to h, a batch at a time, until ctx ends. The
// context that h receives lasts a few seconds longer (worker.Grace), so that h can
// finish its batch; Subscribe then returns nil. It survives the loss of the broker
// and reconnects with backoff, forever. An error means that it could not start.
type Subscriber interface {
	Subscribe(ctx context.Context, service string, h BatchHandler) error
}
