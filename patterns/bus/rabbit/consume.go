package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/retry"
	"troupe/patterns/worker"
)

const (
	// prefetch is how many messages, of one or many events, may be on their way. It lets the
	// next batch arrive while one is handled.
	prefetch  = 512
	batchSize = 256 // events, and the rest of the last message
	// linger is how long a batch waits for more messages after its first one.
	linger = 500 * time.Microsecond
	// defaultIdleTimeout is how long a consumer waits for a message before it starts a
	// new session. Brokers forget consumers: RabbitMQ 3.10 may not notify a consumer
	// whose queue was deleted and declared again, and deliver nothing to it anymore.
	defaultIdleTimeout = time.Minute
	// deadLetterAttempt is the lowest Attempt of a message from the dead letter queue. It
	// is so high that the inbox parks the message without handling it.
	deadLetterAttempt = deliveryLimit + 1

	maxBackoff = 10 * time.Second
)

// redial is the wait between sessions that fail. Half of it is jitter, so that the
// replicas of a service do not all reconnect at the same time.
var redial = retry.Backoff{Base: 100 * time.Millisecond, Cap: maxBackoff, Jitter: 0.5}

var (
	errConsumerEnded = errors.New("RabbitMQ ended the consumer")
	errIdle          = errors.New("no message for the idle timeout")
)

// Subscribe delivers the service's queue to h, a batch at a time, until ctx ends. It
// also delivers the service's dead letter queue, whose messages the inbox parks.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	if !slices.Contains(b.Topology.Consumers(), service) {
		return fmt.Errorf("subscribe: %s consumes no event type, so it has no queue", service)
	}
	h = serialize(h)
	var wait sync.WaitGroup
	for queue, attempt := range map[string]int{queueOf(service): 0, deadQueueOf(service): deadLetterAttempt} {
		wait.Go(func() {
			b.keepConsuming(ctx, &consumer{
				service: service, queue: queue, minAttempt: attempt, handle: h, idleTimeout: b.idleTimeout, log: b.Log, warned: map[string]bool{},
			})
		})
	}
	wait.Wait()
	return nil
}

// serialize returns a handler that calls h for one queue at a time. It turns a panic of
// h into an error.
func serialize(h bus.BatchHandler) bus.BatchHandler {
	var mu sync.Mutex
	return func(ctx context.Context, batch []bus.Delivery) (err error) {
		mu.Lock()
		defer mu.Unlock()
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return h(ctx, batch)
	}
}

// consumer is the state of a consumer that outlives its sessions.
type consumer struct {
	service     string
	queue       string
	minAttempt  int // lower bound of Attempt
	handle      bus.BatchHandler
	idleTimeout time.Duration
	failures    int             // in a row
	log         *slog.Logger    // of what messages show about their queue
	warned      map[string]bool // by the text of the warning
}

// keepConsuming opens a new session whenever one has ended, until ctx ends.
func (b *Bus) keepConsuming(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		began := time.Now()
		err := b.consume(ctx, c)
		if ctx.Err() != nil || errors.Is(err, errIdle) {
			continue
		}
		if time.Since(began) > maxBackoff {
			c.failures = 0 // the session worked, even if it had no message to handle
		}
		c.failures++
		b.Log.WarnContext(ctx, "consumer has no session; retrying", "queue", c.queue, "failures", c.failures, "error", err)
		if !waitToRetry(ctx, c.failures) {
			return
		}
	}
}

// consume runs one session. It ends with ctx, after the messages it has received were
// handled, or with an error, after which every message without an acknowledgement is
// delivered again.
func (b *Bus) consume(ctx context.Context, c *consumer) error {
	grace, cancel := worker.Grace(ctx)
	defer cancel()
	if c.failures > 0 {
		// A handler that is not ready would only use up attempts.
		if err := c.handle(grace, nil); err != nil {
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
	defer context.AfterFunc(grace, s.kill)()
	b.consuming.Store(c.queue, s)
	defer b.consuming.CompareAndDelete(c.queue, s)
	// After its cancellation the consumer gets no new message, and the client library
	// closes deliveries after the last one that has arrived. So a graceful stop requeues
	// nothing that would count as a failed attempt, except messages that the queue sends
	// at that very moment.
	defer context.AfterFunc(ctx, func() { _ = s.channel.Cancel(c.queue, false) })()
	return s.handle(grace, c, s.countReceived(deliveries))
}

// handle collects, handles and acknowledges batches until one of these steps fails.
func (s *session) handle(ctx context.Context, c *consumer, deliveries <-chan amqp.Delivery) error {
	for {
		first, err := s.nextDelivery(c, deliveries)
		if err != nil {
			return err
		}
		batch, last := c.collectBatch(first, deliveries)
		rabbitTaken.Hit()
		if err := c.handle(ctx, batch); err != nil {
			return fmt.Errorf("handle a batch: %w", err)
		}
		rabbitHandled.Hit()
		if err := s.channel.Ack(last, true); err != nil {
			return fmt.Errorf("acknowledge a batch: %w", errors.Join(err, s.closeReason()))
		}
		s.acknowledged.Store(last)
		c.failures = 0
	}
}

// nextDelivery waits for a message. If none comes within the idle timeout, the consumer
// is cancelled; messages that are on their way are still handled before errIdle ends
// the session.
func (s *session) nextDelivery(c *consumer, deliveries <-chan amqp.Delivery) (amqp.Delivery, error) {
	timer := time.NewTimer(c.idleTimeout)
	defer timer.Stop()
	for {
		select {
		case d, open := <-deliveries:
			switch {
			case open:
				return d, nil
			case s.cancelled:
				return d, errIdle
			}
			return d, errors.Join(errConsumerEnded, s.closeReason())
		case <-timer.C:
			s.cancelled = true
			if err := s.channel.Cancel(c.queue, false); err != nil {
				return amqp.Delivery{}, fmt.Errorf("cancel the idle consumer: %w", err)
			}
		}
	}
}

// collectBatch adds the messages that arrive soon after the first one. It returns them
// with the tag of the last message, which acknowledges all earlier ones on this channel.
func (c *consumer) collectBatch(first amqp.Delivery, deliveries <-chan amqp.Delivery) (batch []bus.Delivery, last uint64) {
	batch, last = c.toDeliveries(first), first.DeliveryTag
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch) < batchSize {
		select {
		case d, open := <-deliveries:
			if !open {
				return batch, last
			}
			batch, last = append(batch, c.toDeliveries(d)...), d.DeliveryTag
		case <-timer.C:
			return batch, last
		}
	}
	return batch, last
}

// publishedAs returns the event type under which a service published the message. That
// is that of its routing key, which the broker compares with the publisher's
// permissions; the message itself can claim any type. A message from another exchange is
// a dead letter, or was moved by an operator.
func publishedAs(d amqp.Delivery, service string) string {
	if d.Exchange != exchange {
		return d.Type
	}
	return strings.TrimSuffix(d.RoutingKey, "."+service)
}

// inspect logs, once, what a message shows about its queue. A service whose user may not
// declare queues cannot compare their arguments.
func (c *consumer) inspect(d amqp.Delivery) {
	if _, counted := d.Headers[countHeader]; d.Redelivered && !counted {
		c.warnOnce("RabbitMQ does not count deliveries, so the queue is no quorum queue and has no delivery limit: run 'troupe queues move'")
	}
	if d.Headers["x-first-death-reason"] == "expired" {
		c.warnOnce("events waited longer than a policy of RabbitMQ lets them, and are dead letters now: remove its message-ttl, and replay them")
	}
}

func (c *consumer) warnOnce(text string) {
	if !c.warned[text] {
		c.warned[text] = true
		c.log.Warn(text, "queue", c.queue)
	}
}

// countHeader is the header in which a quorum queue counts the deliveries of a message.
const countHeader = "x-delivery-count"

// deliveryCount returns how often the broker has delivered the message before.
func deliveryCount(d amqp.Delivery) int {
	switch n := d.Headers[countHeader].(type) {
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

// waitToRetry waits, longer after each failure in a row. It reports whether ctx is still
// alive afterwards.
func waitToRetry(ctx context.Context, failures int) bool {
	timer := time.NewTimer(redial.Wait(failures, rand.Float64()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
