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
)

const (
	// maxUnconfirmed is how many copies wait for their confirm at a time: a batch of
	// the relay, if each message has two consumers and a copy of its own for each. The
	// client library drops returned messages that do not fit into the channel for them, so
	// that channel is as large.
	maxUnconfirmed = 1024
	// confirmTimeout is how long a batch may wait for its confirms. A broker that is
	// out of memory or disk stops reading without an error.
	confirmTimeout = 10 * time.Second
	// maxID and maxBody are the limits of the protocol and of RabbitMQ 4. A message
	// beyond them would end the session, and all other messages would fail with it.
	maxID   = 255
	maxBody = 16 << 20
)

var (
	errConfirmTimeout = fmt.Errorf("RabbitMQ did not confirm within %v; it may be out of memory or disk", confirmTimeout)
	errClosed         = errors.New("the bus is closed")
	errSessionEnded   = errors.New("the session ended")
)

// publisher is a session whose channel confirms what is published.
type publisher struct {
	*session
	returned chan amqp.Return
	blockade *blockade
	// spent means that it was blocked while it published: the outcome of copies is unknown, and
	// their returns could be taken for those of later ones. It is only kept to learn when
	// the blockade ends.
	spent bool
}

// Publish sends a copy of each message to each of its consumers and then waits for the
// confirms of all copies. A copy is accepted when a majority of the queue's nodes has
// it on disk, and a message when all of its copies are. A message that is reported as
// failed may still have reached some or all of its consumers.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	copies := b.makeCopies(messages, errs)
	select {
	case b.publishLock <- struct{}{}:
		defer func() { <-b.publishLock }()
		b.publish(ctx, copies)
	case <-ctx.Done():
		failAll(copies, ctx.Err())
	}
	b.metrics.count(copies)
	for i := range copies {
		copies[i].fail(errs)
	}
	return errs
}

// failAll marks all copies as failed because of the bus, not because of a message.
func failAll(copies []messageCopy, reason error) {
	for i := range copies {
		copies[i].err = fmt.Errorf("%w: %w", bus.ErrUnavailable, reason)
	}
}

func (b *Bus) publish(ctx context.Context, copies []messageCopy) {
	var lost error
	for chunk := range slices.Chunk(copies, maxUnconfirmed) {
		if lost != nil {
			failAll(chunk, lost)
			continue
		}
		lost = b.publishChunk(ctx, chunk)
	}
}

// publishChunk sends at most maxUnconfirmed copies. An error means that the session is
// lost; every copy without a confirm has that error, too.
func (b *Bus) publishChunk(ctx context.Context, chunk []messageCopy) error {
	p, err := b.ensurePublisher(ctx)
	if err != nil {
		failAll(chunk, err)
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, confirmTimeout, errConfirmTimeout)
	defer cancel()
	// The client library ignores contexts, and a write can block.
	disarm := context.AfterFunc(ctx, p.kill)
	lost := p.sendAndConfirm(chunk)
	if !disarm() {
		lost = context.Cause(ctx) // the session was killed; any other error follows from that
	}
	unroutable := p.markReturned(chunk)
	for i, sent := range chunk {
		if lost != nil && (errors.Is(sent.err, errRefused) || errors.Is(sent.err, errSessionEnded)) {
			chunk[i].err = fmt.Errorf("%w: %w", bus.ErrUnavailable, lost) // its outcome is unknown
		}
	}
	b.noteOutcome(lost)
	switch p.spent = errors.Is(lost, errBlocked); {
	case p.spent:
	case unroutable || lost != nil:
		b.closePublisher() // the next session declares what is missing
	}
	return lost
}

// noteOutcome records whether the session could be used. A caller that has given up shows
// nothing, and a session that is blocked works.
func (b *Bus) noteOutcome(lost error) {
	if !errors.Is(lost, context.Canceled) && !errors.Is(lost, context.DeadlineExceeded) {
		b.contact.note(publishing, lost == nil || errors.Is(lost, errBlocked))
	}
}

// ensurePublisher returns the publisher, and opens a new one after a lost session. It
// fails at once while RabbitMQ blocks the publisher.
func (b *Bus) ensurePublisher(ctx context.Context) (*publisher, error) {
	if b.closed {
		return nil, errClosed
	}
	if p := b.publisher; p != nil && !p.channel.IsClosed() {
		if err := p.blockade.err(); err != nil {
			return nil, err
		}
		if !p.spent {
			return p, nil
		}
	}
	b.closePublisher()
	p := &publisher{blockade: newBlockade()}
	var err error
	p.session, err = b.dial(ctx, publishing, func(s *session) error {
		p.returned = s.channel.NotifyReturn(make(chan amqp.Return, maxUnconfirmed))
		notices := s.connection.NotifyBlocked(make(chan amqp.Blocking, 1))
		go b.watch(p.blockade, notices) // it ends with the connection
		return s.channel.Confirm(false)
	})
	if err != nil {
		return nil, err
	}
	b.publisher = p
	return p, nil
}

// errProbe marks that the probe message was not accepted.
var errProbe = errors.New("publish a probe message")

// probePublish publishes a message that is routed to no queue: only the answer shows
// whether this user has the permission to publish.
func (s *session) probePublish() error {
	if err := s.channel.Confirm(false); err != nil {
		return err
	}
	notices := s.connection.NotifyBlocked(make(chan amqp.Blocking, 1))
	confirm, err := s.channel.PublishWithDeferredConfirm(exchange, probeKey, false, false, amqp.Publishing{})
	if err != nil {
		return fmt.Errorf("%w: %w", errProbe, err)
	}
	select {
	case <-confirm.Done():
	case notice, blocked := <-notices:
		if blocked {
			return fmt.Errorf("%w: %s", errBlocked, notice.Reason)
		}
	}
	if !confirm.Wait() {
		return fmt.Errorf("%w: %w", errProbe, cmp.Or(s.closeReason(), errRefused))
	}
	return nil
}

// closePublisher closes the session of the publisher, if there is one.
func (b *Bus) closePublisher() {
	if b.publisher != nil {
		b.publisher.close()
		b.publisher = nil
	}
}

// sendAndConfirm sends copies and waits for their confirms. An error means that the
// session is lost or blocked.
func (p *publisher) sendAndConfirm(chunk []messageCopy) (lost error) {
	p.conn.cork()
	for i := range chunk {
		if lost == nil {
			chunk[i].confirm, lost = p.send(&chunk[i])
		}
		if lost != nil {
			chunk[i].err = errSessionEnded
		}
	}
	if lost = cmp.Or(lost, p.conn.uncork()); lost != nil {
		p.kill() // otherwise Wait below would wait for confirms that cannot come
	}
	rabbitSent.Hit()
	if err := p.awaitConfirms(chunk); err != nil {
		return err
	}
	if lost != nil || p.channel.IsClosed() {
		return cmp.Or(p.closeReason(), lost, errSessionEnded)
	}
	return nil
}

func (p *publisher) send(c *messageCopy) (*amqp.DeferredConfirmation, error) {
	return p.channel.PublishWithDeferredConfirm(c.exchange, c.key, c.mandatory(), false, c.publishing())
}

// markReturned marks the copies that the broker returned as unroutable, and reports
// whether there were any. The return of a copy comes before its confirm, so all returns
// have arrived by now. They carry the id and the routing key as they were sent.
func (p *publisher) markReturned(chunk []messageCopy) bool {
	type label struct{ id, key string }
	unroutable := map[label]bool{}
	for range len(p.returned) {
		r, open := <-p.returned
		if !open {
			break
		}
		unroutable[label{cmp.Or(r.MessageId, r.CorrelationId), r.RoutingKey}] = true
	}
	if len(unroutable) == 0 {
		return false
	}
	for i, sent := range chunk {
		if unroutable[label{sent.id(), sent.key}] {
			chunk[i].err = fmt.Errorf("%q: %w", sent.key, bus.ErrUnroutable)
		}
	}
	return true
}
