package rabbit

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

const (
	exchange     = "troupe.events"
	deadExchange = "troupe.dead"
	// deliveryLimit is explicit because the default differs: none in 3.x, 20 in 4.x.
	deliveryLimit = 20
)

func queueOf(service string) string     { return service + ".events.v1" }
func deadQueueOf(service string) string { return service + ".dead.v1" }

// errDeclare marks a refusal of a declaration.
var errDeclare = errors.New("declare the topology")

// declare makes exchanges, queues and bindings that are missing. Every program
// declares all of it, so that what a publisher says finds its queue whoever
// starts first.
func declare(connection *amqp.Connection, topology bus.Topology, log *slog.Logger) error {
	steps := []func(*amqp.Channel) error{declareExchanges}
	for _, service := range hearers(topology) {
		steps = append(steps, deadQueue(service), queue(service))
	}
	for _, eventType := range slices.Sorted(maps.Keys(topology)) {
		for _, service := range topology[eventType] {
			steps = append(steps, func(ch *amqp.Channel) error {
				return ch.QueueBind(queueOf(service), eventType, exchange, false, nil)
			})
		}
	}
	var channel *amqp.Channel
	for _, step := range steps {
		if channel == nil || channel.IsClosed() {
			var err error
			if channel, err = connection.Channel(); err != nil {
				return fmt.Errorf("open a channel: %w", err)
			}
		}
		if err := tolerable(step(channel), log); err != nil {
			return fmt.Errorf("%w: %w", errDeclare, err)
		}
	}
	return channel.Close()
}

// tolerable lets a queue be that an operator, or an earlier version, declared
// with other arguments: it works, and the difference is logged.
func tolerable(err error, log *slog.Logger) error {
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		log.Warn("RabbitMQ has this declared otherwise; using it as it is", "difference", refused.Reason)
		return nil
	}
	return err
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

func declareExchanges(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return err
	}
	return ch.ExchangeDeclare(deadExchange, amqp.ExchangeDirect, true, false, false, false, nil)
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

// deadQueue waits for the service itself to park what is in it. It has no
// delivery limit of its own: nothing may be lost from here.
func deadQueue(service string) func(*amqp.Channel) error {
	return func(ch *amqp.Channel) error {
		name := deadQueueOf(service)
		if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
			return err
		}
		return ch.QueueBind(name, service, deadExchange, false, nil)
	}
}
