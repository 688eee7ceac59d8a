package rabbit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/retry"
	"troupe/patterns/worker"
)

const (
	// prefetch keeps the next batch at hand while one is handled.
	prefetch  = 512
	takeBatch = 256
	// gather is how long a batch waits for more once it has its first message.
	gather = 500 * time.Microsecond
	// idleLimit is after how long without a message a consumer starts a new
	// session. Brokers forget consumers: RabbitMQ 3.10 may not tell one that its
	// queue was deleted and declared anew, and keep from it what comes next.
	idleLimit = time.Minute
	// afterTheLimit is the least Attempt of a message from the dead queue, so often
	// that the inbox parks it unhandled.
	afterTheLimit = deliveryLimit + 1

	maxBackoff = 10 * time.Second
)

// redial is the wait between sessions that fail. Half of it is jitter, so that the
// replicas of a service do not all come back at once.
var redial = retry.Backoff{Base: 100 * time.Millisecond, Cap: maxBackoff, Jitter: 0.5}

var (
	errConsumerEnded = errors.New("RabbitMQ ended the consumer")
	errIdle          = errors.New("there was nothing to consume")
)

// Subscribe hands the service's queue to h, a batch at a time, until ctx ends.
// The service's dead queue is handed over as well, for the inbox to park.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	if !slices.Contains(hearers(b.Topology), service) {
		return fmt.Errorf("subscribe: %s hears nothing, so it has no queue", service)
	}
	h = oneAtATime(h)
	var wait sync.WaitGroup
	for queue, attempt := range map[string]int{queueOf(service): 0, deadQueueOf(service): afterTheLimit} {
		wait.Go(func() { b.consumeAlways(ctx, &consumer{queue: queue, atLeast: attempt, handle: h, idle: b.idle}) })
	}
	wait.Wait()
	return nil
}

// oneAtATime calls h for one queue or the other. A panic is an error.
func oneAtATime(h bus.BatchHandler) bus.BatchHandler {
	var turn sync.Mutex
	return func(ctx context.Context, batch []bus.Delivery) (err error) {
		turn.Lock()
		defer turn.Unlock()
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return h(ctx, batch)
	}
}

// consumer is what outlives its sessions.
type consumer struct {
	queue    string
	atLeast  int // lower bound of Attempt
	handle   bus.BatchHandler
	idle     time.Duration
	failures int // in a row
}

// consumeAlways starts a new session after each that ended.
func (b *Bus) consumeAlways(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		began := time.Now()
		err := b.consume(ctx, c)
		if ctx.Err() != nil || errors.Is(err, errIdle) {
			continue
		}
		if time.Since(began) > maxBackoff {
			c.failures = 0 // that was a good session, even if there was nothing to do
		}
		c.failures++
		b.Log.WarnContext(ctx, "consumer has no session; trying again", "queue", c.queue, "failures", c.failures, "error", err)
		if !backoff(ctx, c.failures) {
			return
		}
	}
}

// consume is one session. It ends with ctx, after what was handed out to it has
// been handled, or with an error, after which all that was not acknowledged
// comes again.
func (b *Bus) consume(ctx context.Context, c *consumer) error {
	longer, cancel := worker.Grace(ctx)
	defer cancel()
	if c.failures > 0 {
		// A handler that can not handle anything now would only use up attempts.
		if err := c.handle(longer, nil); err != nil {
			return fmt.Errorf("the handler is not ready: %w", err)
		}
	}
	var deliveries <-chan amqp.Delivery
	s, err := b.dial(ctx, "consume "+c.queue, func(s *session) (err error) {
		if err := s.channel.Qos(prefetch, 0, false); err != nil {
			return fmt.Errorf("set prefetch: %w", err)
		}
		deliveries, err = s.channel.Consume(c.queue, c.queue, false, false, false, false, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(longer, s.kill)()
	// Cancelled, the consumer gets nothing new, and deliveries closes behind what
	// it has: a stop gives nothing back that would count as a failed attempt, but
	// for what the queue sends in that very moment.
	defer context.AfterFunc(ctx, func() { _ = s.channel.Cancel(c.queue, false) })()
	return s.handle(longer, c, deliveries)
}

func (s *session) handle(ctx context.Context, c *consumer, deliveries <-chan amqp.Delivery) error {
	for {
		first, err := s.next(c, deliveries)
		if err != nil {
			return err
		}
		batch, last := collect(first, deliveries, c.atLeast)
		rabbitTaken.Hit()
		if err := c.handle(ctx, batch); err != nil {
			return fmt.Errorf("handle a batch: %w", err)
		}
		rabbitHandled.Hit()
		if err := s.channel.Ack(last, true); err != nil {
			return fmt.Errorf("acknowledge a batch: %w", errors.Join(err, s.loss()))
		}
		c.failures = 0
	}
}

// next waits for a message. When there was none for long, the consumer resigns,
// and what is on its way is still handled before errIdle ends the session.
func (s *session) next(c *consumer, deliveries <-chan amqp.Delivery) (amqp.Delivery, error) {
	timer := time.NewTimer(c.idle)
	defer timer.Stop()
	for {
		select {
		case d, open := <-deliveries:
			switch {
			case open:
				return d, nil
			case s.resigned:
				return d, errIdle
			}
			return d, errors.Join(errConsumerEnded, s.loss())
		case <-timer.C:
			s.resigned = true
			if err := s.channel.Cancel(c.queue, false); err != nil {
				return amqp.Delivery{}, fmt.Errorf("resign: %w", err)
			}
		}
	}
}

// collect takes what comes with the first message. It gives the tag of the last,
// which stands for all before it on this channel.
func collect(first amqp.Delivery, deliveries <-chan amqp.Delivery, atLeast int) (batch []bus.Delivery, last uint64) {
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

// backoff waits longer after each failure in a row. It reports whether ctx is
// still alive afterwards.
func backoff(ctx context.Context, failures int) bool {
	timer := time.NewTimer(redial.Wait(failures, rand.Float64()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
