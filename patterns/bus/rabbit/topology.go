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
	// publicExchange is for consumers outside: queues that are bound to it take no part in
	// the routing of the services.
	publicExchange = "troupe.events.public"
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

// exchanges are those that the services need, with their types.
var exchanges = []struct{ name, kind string }{{exchange, amqp.ExchangeTopic}, {deadExchange, amqp.ExchangeDirect}}

// queueSpec is a queue as the topology needs it.
type queueSpec struct {
	name      string
	service   string
	arguments amqp.Table
	exchange  string
	keys      []string
}

func queueSpecs(topology bus.Topology) (all []queueSpec) {
	for _, service := range topology.Consumers() {
		live := queueSpec{name: queueOf(service), service: service, arguments: queueArguments(service), exchange: exchange}
		for _, eventType := range slices.Sorted(maps.Keys(topology)) {
			if slices.Contains(topology[eventType], service) {
				live.keys = append(live.keys, routingKey(eventType, service))
			}
		}
		dead := queueSpec{name: deadQueueOf(service), service: service, arguments: deadQueueArguments(), exchange: deadExchange, keys: []string{service}}
		all = append(all, dead, live)
	}
	return all
}

// errDeclare marks the error of a declaration that the broker refused.
var errDeclare = errors.New("declare the topology")

// declaration declares one exchange, queue or binding. An existing queue with other
// arguments is accepted as it is.
type declaration struct {
	queue   string // the name of the queue, "" for an exchange or a binding
	declare func(*amqp.Channel) error
	check   func(*amqp.Channel) error // reports what does not exist; nil for a binding, which cannot be checked
}

// declare creates the exchanges, queues and bindings that are missing. Every program
// declares the whole topology, so that a published message finds its queue whichever
// program starts first. A user who may not declare needs exchanges and queues that exist
// (see Definitions), which is checked once: a queue or a binding that goes missing later
// shows when a message for it is returned.
func (b *Bus) declare(connection *amqp.Connection) error {
	if b.checked.Load() {
		return nil
	}
	err := b.declareMissing(connection)
	refused, ok := errors.AsType[*amqp.Error](err)
	if !ok || refused.Code != amqp.AccessRefused {
		return err
	}
	if missing := b.check(connection); missing != nil {
		return fmt.Errorf("%w; not declared yet: %v", err, missing) //nolint:errorlint // the refusal is what matters
	}
	b.checked.Store(true)
	return nil
}

// check returns an error if an exchange or a queue does not exist. It needs no permission.
func (b *Bus) check(connection *amqp.Connection) error {
	channel, err := connection.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	for _, d := range b.declarations() {
		if d.check == nil {
			continue
		}
		if err := d.check(channel); err != nil {
			return err
		}
	}
	return channel.Close()
}

func (b *Bus) declareMissing(connection *amqp.Connection) error {
	var channel *amqp.Channel
	for _, d := range b.declarations() {
		if channel == nil || channel.IsClosed() {
			var err error
			if channel, err = connection.Channel(); err != nil {
				return fmt.Errorf("open a channel: %w", err)
			}
		}
		err := d.declare(channel)
		if different, ok := errors.AsType[*amqp.Error](err); ok && d.queue != "" && different.Code == amqp.PreconditionFailed {
			if _, before := b.others.LoadOrStore(d.queue, different.Reason); !before {
				b.Log.Warn("RabbitMQ has a queue with other arguments; using it as it is", "queue", d.queue, "difference", different.Reason,
					"remedy", "troupe queues move")
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

func (b *Bus) declarations() []declaration {
	all := declarations(b.Topology)
	if b.Public {
		all = append(all, declaration{
			declare: declareExchange(publicExchange, amqp.ExchangeTopic), check: checkExchange(publicExchange, amqp.ExchangeTopic),
		})
	}
	return all
}

func declarations(topology bus.Topology) []declaration {
	var all []declaration
	for _, e := range exchanges {
		all = append(all, declaration{declare: declareExchange(e.name, e.kind), check: checkExchange(e.name, e.kind)})
	}
	for _, q := range queueSpecs(topology) {
		all = append(all, queueDeclaration(q.name, q.arguments))
		for _, key := range q.keys {
			all = append(all, declaration{declare: declareBinding(q.name, key, q.exchange)})
		}
	}
	return all
}

func declareExchange(name, kind string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, kind, true, false, false, false, nil)
	}
}

func checkExchange(name, kind string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, kind, true, false, false, false, nil)
	}
}

func declareBinding(queue, key, exchange string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) }
}

func queueDeclaration(name string, arguments amqp.Table) declaration {
	return declaration{
		queue: name,
		declare: func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, arguments)
			return err
		},
		check: func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err
		},
	}
}

// queueArguments returns the arguments of the queue of a service. A message that was
// delivered too often, because its consumer crashed each time, moves to the dead letter
// queue, at least once: that strategy requires the overflow behavior reject-publish.
func queueArguments(service string) amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-delivery-limit":          deliveryLimit,
		"x-dead-letter-exchange":    deadExchange,
		"x-dead-letter-routing-key": service,
		"x-dead-letter-strategy":    "at-least-once",
		"x-overflow":                "reject-publish",
	}
}

// deadQueueArguments returns the arguments of the dead letter queue of a service, which
// the service itself consumes to park its messages. No message may be lost from it, so
// its delivery limit is out of reach: without one it would be 20 in 4.x, and -1 for
// unlimited would be exceeded at once in 3.x.
func deadQueueArguments() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:  amqp.QueueTypeQuorum,
		"x-delivery-limit": math.MaxInt32,
	}
}
