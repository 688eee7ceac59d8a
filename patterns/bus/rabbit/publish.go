package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// maxID and maxBody are what the protocol and RabbitMQ 4 take. More would end
	// the session, and with it the chances of all other messages.
	maxID   = 255
	maxBody = 16 << 20
)

var (
	errRefused = errors.New("RabbitMQ refused the message: a queue is full or has no majority of its nodes")
	errTooBig  = fmt.Errorf("the id has more than %d or the body more than %d bytes", maxID, maxBody)
	errSilent  = fmt.Errorf("RabbitMQ did not confirm within %v; it may be out of memory or disk", confirmLimit)
	errClosed  = errors.New("the bus is closed")
	errCutOff  = errors.New("the session ended")
)

// publisher is a session whose channel confirms.
type publisher struct {
	*session
	returned chan amqp.Return
}

// Publish sends messages without waiting for one another's confirms, then waits
// for all. A message is taken when a majority has it on disk in every queue
// that should get it. What got no confirm may have arrived all the same.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		fill(errs, ctx.Err())
		return errs
	}
	for from := 0; from < len(messages); from += outstanding {
		to := min(from+outstanding, len(messages))
		if err := b.publishBatch(ctx, messages[from:to], errs[from:to]); err != nil {
			fill(errs[to:], err)
			break
		}
	}
	return errs
}

// fill blames the bus.
func fill(errs []error, reason error) {
	for i := range errs {
		errs[i] = fmt.Errorf("%w: %w", bus.ErrUnavailable, reason)
	}
}

// publishBatch sends at most outstanding messages. An error means that the
// session is lost; it has been noted for every message without a confirm.
func (b *Bus) publishBatch(ctx context.Context, batch []bus.Message, errs []error) error {
	p, err := b.connected(ctx)
	if err != nil {
		fill(errs, err)
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, confirmLimit, errSilent)
	defer cancel()
	// The library looks at no context, and a write can block.
	unguard := context.AfterFunc(ctx, p.kill)
	lost := p.exchange(b.Topology, batch, errs)
	if !unguard() {
		lost = context.Cause(ctx) // it struck; what else went wrong follows from that
	}
	unroutable := p.mark(batch, errs)
	for i, err := range errs {
		if lost != nil && (errors.Is(err, errRefused) || errors.Is(err, errCutOff)) {
			errs[i] = fmt.Errorf("%w: %w", bus.ErrUnavailable, lost) // nobody knows what became of it
		}
	}
	if unroutable || lost != nil {
		b.hangUp() // the next session declares what is missing
	}
	return lost
}

// connected gives the publisher, a new one after a loss.
func (b *Bus) connected(ctx context.Context) (*publisher, error) {
	if b.closed {
		return nil, errClosed
	}
	if b.publisher != nil && !b.publisher.channel.IsClosed() {
		return b.publisher, nil
	}
	b.hangUp()
	p := &publisher{}
	var err error
	p.session, err = b.dial(ctx, "publish", func(s *session) error {
		p.returned = s.channel.NotifyReturn(make(chan amqp.Return, outstanding))
		return s.channel.Confirm(false)
	})
	if err != nil {
		return nil, err
	}
	b.publisher = p
	return p, nil
}

// errTry marks that what was published on trial was not taken.
var errTry = errors.New("publish on trial")

// tryToPublish sends what no queue takes, since only an answer tells whether this
// user may publish.
func (s *session) tryToPublish() error {
	if err := s.channel.Confirm(false); err != nil {
		return err
	}
	confirm, err := s.channel.PublishWithDeferredConfirm(exchange, trialKey, false, false, amqp.Publishing{})
	if err == nil && !confirm.Wait() {
		err = cmp.Or(s.loss(), errRefused)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errTry, err)
	}
	return nil
}

func (b *Bus) hangUp() {
	if b.publisher != nil {
		b.publisher.close()
		b.publisher = nil
	}
}

// exchange sends a batch and waits for its confirms. An error means that the
// session is lost.
func (p *publisher) exchange(topology bus.Topology, batch []bus.Message, errs []error) (lost error) {
	confirms := make([]*amqp.DeferredConfirmation, len(batch))
	p.wire.cork()
	for i, m := range batch {
		hears, known := topology[m.Type]
		switch {
		case lost != nil:
			errs[i] = errCutOff
		case !known:
			errs[i] = fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
		case len(m.ID) > maxID || len(m.Body) > maxBody:
			errs[i] = errTooBig
		default:
			if confirms[i], lost = p.send(m, len(hears) > 0); lost != nil {
				errs[i] = errCutOff
			}
		}
	}
	if lost = cmp.Or(lost, p.wire.uncork()); lost != nil {
		p.kill() // or the confirms of what went out before are waited for
	}
	crashpoint.Here(crashpoint.RabbitSent)
	for i, c := range confirms {
		if c != nil && !c.Wait() {
			errs[i] = errRefused
		}
	}
	if lost != nil || p.channel.IsClosed() {
		return cmp.Or(p.loss(), lost, errCutOff)
	}
	return nil
}

func (p *publisher) send(m bus.Message, mandatory bool) (*amqp.DeferredConfirmation, error) {
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
