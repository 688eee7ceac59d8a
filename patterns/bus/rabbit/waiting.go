package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errNotConsuming = errors.New("there is no connection to RabbitMQ that consumes this queue now")

// Waiting returns how many messages of the service's queue are not acknowledged: those in
// the queue and those that this process has received. It fails while the service does not consume here.
func (b *Bus) Waiting(ctx context.Context, service string) (int, error) {
	found, consumes := b.consuming.Load(queueOf(service))
	if !consumes {
		return 0, errNotConsuming
	}
	s := found.(*session)
	type answer struct {
		n   int
		err error
	}
	answers := make(chan answer, 1)
	go func() { // the client library ignores contexts, and its heartbeat ends a call that gets no answer
		n, err := s.ready(queueOf(service))
		answers <- answer{n, err}
	}()
	select {
	case a := <-answers:
		return a.n + s.unacknowledged(), a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// ready returns how many messages of a queue are on their way to no consumer.
func (s *session) ready(queue string) (int, error) {
	channel, err := s.connection.Channel()
	if err != nil {
		return 0, fmt.Errorf("open a channel: %w", err)
	}
	defer func() { _ = channel.Close() }() // it was only asked
	q, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		return 0, fmt.Errorf("ask for the length of %s: %w", queue, err)
	}
	return q.Messages, nil
}

// unacknowledged returns how many messages this session has received and not acknowledged.
func (s *session) unacknowledged() int {
	acknowledged := s.acknowledged.Load() // before received, so that the difference is not negative
	return int(s.received.Load() - acknowledged)
}

// countReceived passes on deliveries and notes how many have come. There is room for all that may be on
// their way, so it never waits for the consumer.
func (s *session) countReceived(deliveries <-chan amqp.Delivery) <-chan amqp.Delivery {
	counted := make(chan amqp.Delivery, prefetch)
	go func() {
		defer close(counted)
		for d := range deliveries {
			s.received.Store(d.DeliveryTag)
			counted <- d
		}
	}()
	return counted
}
