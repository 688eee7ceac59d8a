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
	// trialKey is one that no queue is bound with.
	trialKey = "troupe.trial"
	// deliveryLimit is explicit because the default differs: none in 3.x, 20 in 4.x.
	deliveryLimit = 20
)

func queueOf(service string) string     { return bus.QueueName(service) }
func deadQueueOf(service string) string { return service + ".dead.v1" }

// keyOf routes the copy of a message that is for one hearer. With a key for all
// hearers, the broker would return a message only if none of them got it.
func keyOf(eventType, hearer string) string { return eventType + "." + hearer }

// keysOf says under which keys messages are sent: one for each hearer. What has
// none goes out once, under its type, for whoever may be curious.
func keysOf(topology bus.Topology) map[string][]string {
	keys := make(map[string][]string, len(topology))
	for eventType, hears := range topology {
		for _, hearer := range hears {
			keys[eventType] = append(keys[eventType], keyOf(eventType, hearer))
		}
		if len(hears) == 0 {
			keys[eventType] = []string{eventType}
		}
	}
	return keys
}

// errDeclare marks a refusal of a declaration.
var errDeclare = errors.New("declare the topology")

// step declares one thing. If that is a queue, one which is there with other
// arguments will do.
type step struct {
	queue   string // its name, if it is one
	declare func(*amqp.Channel) error
}

// declare makes exchanges, queues and bindings that are missing. Every program
// declares all of it, so that what a publisher says finds its queue whoever
// starts first.
func (b *Bus) declare(connection *amqp.Connection) error {
	var channel *amqp.Channel
	for _, step := range steps(b.Topology) {
		if channel == nil || channel.IsClosed() {
			var err error
			if channel, err = connection.Channel(); err != nil {
				return fmt.Errorf("open a channel: %w", err)
			}
		}
		err := step.declare(channel)
		if different, ok := errors.AsType[*amqp.Error](err); ok && step.queue != "" && different.Code == amqp.PreconditionFailed {
			if _, before := b.warned.LoadOrStore(step.queue, true); !before {
				b.Log.Warn("RabbitMQ has a queue with other arguments; using it as it is", "queue", step.queue, "difference", different.Reason)
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

func steps(topology bus.Topology) []step {
	all := []step{
		{declare: exchangeOf(exchange, amqp.ExchangeTopic)},
		{declare: exchangeOf(deadExchange, amqp.ExchangeDirect)},
	}
	for _, service := range hearers(topology) {
		all = append(all,
			step{declare: deadQueue(service), queue: deadQueueOf(service)},
			step{declare: binding(deadQueueOf(service), service, deadExchange)},
			step{declare: queue(service), queue: queueOf(service)})
	}
	for _, eventType := range slices.Sorted(maps.Keys(topology)) {
		for _, service := range topology[eventType] {
			all = append(all, step{declare: binding(queueOf(service), keyOf(eventType, service), exchange)})
		}
	}
	return all
}

func hearers(topology bus.Topology) []string {
	services := map[string]bool{}
	for _, hears := range topology {
		for _, service := range hears {
			services[service] = true
		}
	}
	return slices.Sorted(maps.Keys(services))
}

func exchangeOf(name, kind string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, kind, true, false, false, false, nil)
	}
}

func binding(queue, key, exchange string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) }
}

// queue holds what a service has yet to hear. A message that was handed out too
// often, because its consumer died each time, goes to the dead queue, at least
// once: that strategy needs reject-publish.
func queue(service string) func(*amqp.Channel) error {
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

// deadQueue waits for the service itself to park what is in it. Nothing may be
// lost from here, so its limit is out of reach: left out it would be 20 in 4.x,
// and -1 for none would be exceeded at once in 3.x.
func deadQueue(service string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(deadQueueOf(service), true, false, false, false, amqp.Table{
			amqp.QueueTypeArg:  amqp.QueueTypeQuorum,
			"x-delivery-limit": math.MaxInt32,
		})
		return err
	}
}
