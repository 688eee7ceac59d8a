package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/event"
)

const (
	// outstanding is how many parcels wait for their confirm at a time: a batch of
	// the relay, if each has two hearers. The client drops returns that nobody
	// reads, so the buffer for them is as large.
	outstanding = 1024
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

// parcel is a message on its way to one of its hearers.
type parcel struct {
	message *bus.Message
	of      int    // index of the message
	key     string // routes it
	confirm *amqp.DeferredConfirmation
	err     error
}

// mandatory is what has a hearer: only then it matters that a queue takes it.
func (p *parcel) mandatory() bool { return p.key != p.message.Type }

// Publish sends a copy of each message to each of its hearers, without waiting
// for one another's confirms, then waits for all. A copy is taken when a majority
// has it on disk in the hearer's queue, and a message when all of its copies are.
// What is not taken may have arrived all the same, or at some of its hearers.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	parcels := b.address(messages, errs)
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
		b.publish(ctx, parcels)
	case <-ctx.Done():
		fill(parcels, ctx.Err())
	}
	for _, p := range parcels {
		errs[p.of] = cmp.Or(errs[p.of], p.err)
	}
	return errs
}

// address makes the parcels, and says which messages are not fit to be sent.
func (b *Bus) address(messages []bus.Message, errs []error) []parcel {
	parcels := make([]parcel, 0, len(messages))
	for i := range messages {
		m := &messages[i]
		keys, known := b.keys[m.Type]
		switch {
		case !known:
			errs[i] = fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
		case len(m.ID) > maxID || len(m.Body) > maxBody:
			errs[i] = errTooBig
		default:
			for _, key := range keys {
				parcels = append(parcels, parcel{message: m, of: i, key: key})
			}
		}
	}
	return parcels
}

// fill blames the bus.
func fill(parcels []parcel, reason error) {
	for i := range parcels {
		parcels[i].err = fmt.Errorf("%w: %w", bus.ErrUnavailable, reason)
	}
}

func (b *Bus) publish(ctx context.Context, parcels []parcel) {
	var lost error
	for part := range slices.Chunk(parcels, outstanding) {
		if lost != nil {
			fill(part, lost)
			continue
		}
		lost = b.publishPart(ctx, part)
	}
}

// publishPart sends at most outstanding parcels. An error means that the session
// is lost; it has been noted for every parcel without a confirm.
func (b *Bus) publishPart(ctx context.Context, part []parcel) error {
	p, err := b.connected(ctx)
	if err != nil {
		fill(part, err)
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, confirmLimit, errSilent)
	defer cancel()
	// The library looks at no context, and a write can block.
	unguard := context.AfterFunc(ctx, p.kill)
	lost := p.exchange(part)
	if !unguard() {
		lost = context.Cause(ctx) // it struck; what else went wrong follows from that
	}
	unroutable := p.mark(part)
	for i, sent := range part {
		if lost != nil && (errors.Is(sent.err, errRefused) || errors.Is(sent.err, errCutOff)) {
			part[i].err = fmt.Errorf("%w: %w", bus.ErrUnavailable, lost) // nobody knows what became of it
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

// exchange sends parcels and waits for their confirms. An error means that the
// session is lost.
func (p *publisher) exchange(part []parcel) (lost error) {
	p.wire.cork()
	for i := range part {
		if lost == nil {
			part[i].confirm, lost = p.send(&part[i])
		}
		if lost != nil {
			part[i].err = errCutOff
		}
	}
	if lost = cmp.Or(lost, p.wire.uncork()); lost != nil {
		p.kill() // or the confirms of what went out before are waited for
	}
	rabbitSent.Hit()
	for i, sent := range part {
		if sent.confirm != nil && !sent.confirm.Wait() {
			part[i].err = errRefused
		}
	}
	if lost != nil || p.channel.IsClosed() {
		return cmp.Or(p.loss(), lost, errCutOff)
	}
	return nil
}

func (p *publisher) send(sent *parcel) (*amqp.DeferredConfirmation, error) {
	return p.channel.PublishWithDeferredConfirm(exchange, sent.key, sent.mandatory(), false, amqp.Publishing{
		DeliveryMode: amqp.Persistent,
		ContentType:  event.ContentType,
		MessageId:    sent.message.ID,
		Type:         sent.message.Type,
		Body:         sent.message.Body,
	})
}

// mark finds what the broker returned because no queue takes it. The return of a
// parcel comes before its confirm, so all of them are here by now, and carry id
// and key as they were sent.
func (p *publisher) mark(part []parcel) bool {
	type label struct{ id, key string }
	unroutable := map[label]bool{}
	for range len(p.returned) {
		r, open := <-p.returned
		if !open {
			break
		}
		unroutable[label{r.MessageId, r.RoutingKey}] = true
	}
	if len(unroutable) == 0 {
		return false
	}
	for i, sent := range part {
		if unroutable[label{sent.message.ID, sent.key}] {
			part[i].err = fmt.Errorf("%q: %w", sent.key, bus.ErrUnroutable)
		}
	}
	return true
}
