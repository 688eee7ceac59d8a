package rabbit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

const (
	exchange     = "troupe.events"
	deadExchange = "troupe.dead"
	// probeKey is a routing key to which no queue is bound.
	probeKey = "troupe.trial"
	// deliveryLimit is explicit because the default differs: none in 3.x, 20 in 4.x.
	deliveryLimit = 20
)

func queueOf(service string) string     { return bus.QueueName(service) }
func deadQueueOf(service string) string { return service + ".dead.v1" }

// routingKey returns the key that routes a message's copy for one consumer. With one
// key for all consumers, the broker would return a message only if it reached none of
// them.
func routingKey(eventType, service string) string { return eventType + "." + service }

// routingKeys returns for every event type the keys under which its messages are
// published: one for each consumer. A type without consumers is published once, under
// the type itself, for queues that an operator may bind.
func routingKeys(topology bus.Topology) map[string][]string {
	keys := make(map[string][]string, len(topology))
	for eventType, services := range topology {
		for _, service := range services {
			keys[eventType] = append(keys[eventType], routingKey(eventType, service))
		}
		if len(services) == 0 {
			keys[eventType] = []string{eventType}
		}
	}
	return keys
}

// errDeclare marks the error of a declaration that the broker refused.
var errDeclare = errors.New("declare the topology")

// declaration declares one exchange, queue or binding. An existing queue with other
// arguments is accepted as it is.
type declaration struct {
	queue   string // the name of the queue, "" for an exchange or a binding
	declare func(*amqp.Channel) error
}

// declare creates the exchanges, queues and bindings that are missing. Every program
// declares the whole topology, so that a published message finds its queue whichever
// program starts first.
func (b *Bus) declare(connection *amqp.Connection) error {
	var channel *amqp.Channel
	for _, d := range declarations(b.Topology) {
		if channel == nil || channel.IsClosed() {
			var err error
			if channel, err = connection.Channel(); err != nil {
				return fmt.Errorf("open a channel: %w", err)
			}
		}
		err := d.declare(channel)
		if different, ok := errors.AsType[*amqp.Error](err); ok && d.queue != "" && different.Code == amqp.PreconditionFailed {
			if _, before := b.warned.LoadOrStore(d.queue, true); !before {
				b.Log.Warn("RabbitMQ has a queue with other arguments; using it as it is", "queue", d.queue, "difference", different.Reason)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDeclare, err)
		}
	}
	if channel.IsClosed() {
		return nil
	}
	return channel.Close()
}

func declarations(topology bus.Topology) []declaration {
	all := []declaration{
		{declare: declareExchange(exchange, amqp.ExchangeTopic)},
		{declare: declareExchange(deadExchange, amqp.ExchangeDirect)},
	}
	for _, service := range topology.Consumers() {
		all = append(all,
			declaration{declare: declareDeadQueue(service), queue: deadQueueOf(service)},
			declaration{declare: declareBinding(deadQueueOf(service), service, deadExchange)},
			declaration{declare: declareQueue(service), queue: queueOf(service)})
	}
	for _, eventType := range slices.Sorted(maps.Keys(topology)) {
		for _, service := range topology[eventType] {
			all = append(all, declaration{declare: declareBinding(queueOf(service), routingKey(eventType, service), exchange)})
		}
	}
	return all
}

func declareExchange(name, kind string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, kind, true, false, false, false, nil)
	}
}

func declareBinding(queue, key, exchange string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) }
}

// declareQueue declares the queue of a service. A message that was delivered too often,
// because its consumer crashed each time, moves to the dead letter queue, at least
// once: that strategy requires the overflow behavior reject-publish.
func declareQueue(service string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(queueOf(service), true, false, false, false, amqp.Table{
			amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
			"x-delivery-limit":          deliveryLimit,
			"x-dead-letter-exchange":    deadExchange,
			"x-dead-letter-routing-key": service,
			"x-dead-letter-strategy":    "at-least-once",
			"x-overflow":                "reject-publish",
		})
		return err
	}
}

// declareDeadQueue declares the dead letter queue of a service, which the service
// itself consumes to park its messages. No message may be lost from it, so its
// delivery limit is out of reach: without one it would be 20 in 4.x, and -1 for
// unlimited would be exceeded at once in 3.x.
func declareDeadQueue(service string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(deadQueueOf(service), true, false, false, false, amqp.Table{
			amqp.QueueTypeArg:  amqp.QueueTypeQuorum,
			"x-delivery-limit": math.MaxInt32,
		})
		return err
	}
}
