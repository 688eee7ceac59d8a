package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/platform/crashpoint"
)

const (
	// prefetch keeps the next batch at hand while one is handled.
	prefetch  = 512
	takeBatch = 256
	// gather is how long a batch waits for more once it has its first message.
	gather = 2 * time.Millisecond
	// afterTheLimit is the Attempt of a message from the dead queue: more often
	// than anything is tried, so that the inbox parks it unhandled.
	afterTheLimit = 1 << 10
)

var errConsumerEnded = errors.New("RabbitMQ ended the consumer")

// Subscribe hands the service's queue to h, a batch at a time, until ctx ends.
// The service's dead queue is handed over as well, for the inbox to park.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	var wait sync.WaitGroup
	for queue, attempt := range map[string]int{queueOf(service): 0, deadQueueOf(service): afterTheLimit} {
		wait.Go(func() { b.consumeAlways(ctx, &consumer{queue: queue, atLeast: attempt, handle: h}) })
	}
	wait.Wait()
	return nil
}

// consumeAlways starts a new session after each that ended.
func (b *Bus) consumeAlways(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		err := b.consume(ctx, c)
		if err == nil || ctx.Err() != nil {
			continue
		}
		b.Log.WarnContext(ctx, "consumer lost its session; starting a new one", "queue", c.queue, "error", err)
		c.failures++
		if !backoff(ctx, c.failures) {
			return
		}
	}
}

// consumer is what outlives its sessions.
type consumer struct {
	queue    string
	atLeast  int // lower bound of Attempt
	handle   bus.BatchHandler
	failures int // sessions in a row that handled nothing
}

// consume is one session. It ends with ctx, after what was handed out to it has
// been handled, or with an error, after which all that was not acknowledged
// comes again.
func (b *Bus) consume(ctx context.Context, c *consumer) error {
	s, err := b.dial(ctx, "consume "+c.queue)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.channel.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := s.channel.Consume(c.queue, c.queue, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	// Cancelled, the consumer gets nothing new, and deliveries closes behind
	// what it has: a stop gives nothing back, so it counts as no failed attempt.
	stop := context.AfterFunc(ctx, func() { _ = s.channel.Cancel(c.queue, false) })
	defer stop()
	return s.handle(context.WithoutCancel(ctx), c, deliveries)
}

func (s *session) handle(ctx context.Context, c *consumer, deliveries <-chan amqp.Delivery) error {
	for {
		batch, last := collect(deliveries, c.atLeast)
		if len(batch) == 0 {
			return errConsumerEnded
		}
		crashpoint.Here(crashpoint.RabbitTaken)
		if err := c.handle(ctx, batch); err != nil {
			return fmt.Errorf("handle a batch: %w", err)
		}
		crashpoint.Here(crashpoint.RabbitHandled)
		if err := s.channel.Ack(last, true); err != nil {
			return fmt.Errorf("acknowledge a batch: %w", err)
		}
		c.failures = 0
	}
}

// collect waits for a message and takes what comes with it. It gives the tag of
// the last, which stands for all before it on this channel; no message means
// that deliveries is closed.
func collect(deliveries <-chan amqp.Delivery, atLeast int) (batch []bus.Delivery, last uint64) {
	first, open := <-deliveries
	if !open {
		return nil, 0
	}
	batch, last = append(batch, received(first, atLeast)), first.DeliveryTag
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for len(batch) < takeBatch {
		select {
		case d, open := <-deliveries:
			if !open {
				return batch, last
			}
			batch, last = append(batch, received(d, atLeast)), d.DeliveryTag
		case <-timer.C:
			return batch, last
		}
	}
	return batch, last
}

func received(d amqp.Delivery, atLeast int) bus.Delivery {
	return bus.Delivery{
		Message: bus.Message{ID: d.MessageId, Type: d.Type, Body: d.Body},
		Attempt: max(attempts(d), atLeast),
	}
}

// attempts is how often the broker has handed the message out before.
func attempts(d amqp.Delivery) int {
	switch n := d.Headers["x-delivery-count"].(type) {
	case int64:
		return int(n)
	case int32:
		return int(n)
	}
	if d.Redelivered {
		return 1
	}
	return 0
}
