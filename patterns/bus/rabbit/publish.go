package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/event"
	"troupe/platform/crashpoint"
)

const (
	// outstanding is how many messages wait for their confirm at a time. The
	// client drops returns that nobody reads, so the buffer for them is as large.
	outstanding = 512
	// confirmLimit is how long a batch may wait for its confirms. A broker that
	// is out of memory or disk just stops reading.
	confirmLimit = 10 * time.Second
)

var errNotConfirmed = errors.New("RabbitMQ did not confirm the message")

// publisher is a session whose channel confirms.
type publisher struct {
	*session
	returned chan amqp.Return
}

// Publish sends messages without waiting for one another's confirms, then waits
// for all. A message is taken when a majority has it on disk in every queue
// that should get it. What got no confirm may have arrived all the same.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	errs := make([]error, 0, len(messages))
	for batch := range slices.Chunk(messages, outstanding) {
		errs = append(errs, b.publishBatch(ctx, batch)...)
	}
	return errs
}

func (b *Bus) publishBatch(ctx context.Context, batch []bus.Message) []error {
	p, err := b.connected(ctx)
	if err != nil {
		return slices.Repeat([]error{fmt.Errorf("%w: %w", bus.ErrUnavailable, err)}, len(batch))
	}
	// The library looks at ctx only before it writes, and a write can block.
	watchdog := time.AfterFunc(confirmLimit, p.kill)
	defer watchdog.Stop()
	confirms := make([]*amqp.DeferredConfirmation, len(batch))
	errs := make([]error, len(batch))
	for i, m := range batch {
		confirms[i], errs[i] = b.send(p, m)
	}
	crashpoint.Here(crashpoint.RabbitSent)
	for i, c := range confirms {
		if c != nil && !c.Wait() {
			errs[i] = errNotConfirmed
		}
	}
	if unroutable := p.mark(batch, errs); unroutable || p.channel.IsClosed() {
		p.close() // the next session declares what is missing
		b.publisher = nil
	}
	return errs
}

// connected gives the publisher, a new one after a loss.
func (b *Bus) connected(ctx context.Context) (*publisher, error) {
	if b.publisher != nil && !b.publisher.channel.IsClosed() {
		return b.publisher, nil
	}
	s, err := b.dial(ctx, "publish")
	if err != nil {
		return nil, err
	}
	if err := s.channel.Confirm(false); err != nil {
		s.close()
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	b.publisher = &publisher{session: s, returned: s.channel.NotifyReturn(make(chan amqp.Return, outstanding))}
	return b.publisher, nil
}

func (b *Bus) send(p *publisher, m bus.Message) (*amqp.DeferredConfirmation, error) {
	hears, known := b.Topology[m.Type]
	if !known {
		return nil, fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
	}
	mandatory := len(hears) > 0
	return p.channel.PublishWithDeferredConfirm(exchange, m.Type, mandatory, false, amqp.Publishing{
		DeliveryMode: amqp.Persistent,
		ContentType:  event.ContentType,
		MessageId:    m.ID,
		Type:         m.Type,
		Body:         m.Body,
	})
}

// mark finds what the broker returned because no queue takes it. The return of a
// message comes before its confirm, so all of them are here by now.
func (p *publisher) mark(batch []bus.Message, errs []error) bool {
	unroutable := map[string]bool{}
	for range len(p.returned) {
		r, open := <-p.returned
		if !open {
			break
		}
		unroutable[r.MessageId] = true
	}
	for i, m := range batch {
		if unroutable[m.ID] {
			errs[i] = fmt.Errorf("%q: %w", m.Type, bus.ErrUnroutable)
		}
	}
	return len(unroutable) > 0
}
