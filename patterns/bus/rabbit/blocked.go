package rabbit

import (
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errBlocked marks that RabbitMQ has blocked the publishers. It is low on memory or disk
// and stops reading from them until that is over.
var errBlocked = errors.New("RabbitMQ blocks publishers")

// blockade is whether RabbitMQ has blocked a session.
type blockade struct {
	mu     sync.Mutex
	reason string        // "" while it is not blocked
	began  chan struct{} // closed while it is blocked
}

func newBlockade() *blockade { return &blockade{began: make(chan struct{})} }

// set records a notice of the broker.
func (b *blockade) set(notice amqp.Blocking) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch blocked := b.reason != ""; {
	case notice.Active && !blocked:
		b.reason = notice.Reason
		if b.reason == "" {
			b.reason = "it names no reason"
		}
		close(b.began)
	case !notice.Active && blocked:
		b.reason, b.began = "", make(chan struct{})
	}
}

// cause returns why the session is blocked, "" if it is not.
func (b *blockade) cause() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason
}

// err returns errBlocked with the reason, or nil if the session is not blocked.
func (b *blockade) err() error {
	if reason := b.cause(); reason != "" {
		return fmt.Errorf("%w: %s", errBlocked, reason)
	}
	return nil
}

// beginning returns a channel that is closed while the session is blocked.
func (b *blockade) beginning() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.began
}

// watch follows the broker's notices about a session until it ends.
func (b *Bus) watch(of *blockade, notices <-chan amqp.Blocking) {
	for notice := range notices {
		of.set(notice)
		if notice.Active {
			b.Log.Warn("RabbitMQ accepts no events now; they wait in the outbox", "reason", notice.Reason)
		} else {
			b.Log.Info("RabbitMQ accepts events again")
		}
		b.contact.block(of, notice.Active)
	}
	b.contact.block(of, false)
}

// awaitConfirms waits for the confirms of all copies that were sent, or until the session is
// blocked.
func (p *publisher) awaitConfirms(chunk []messageCopy) (blocked error) {
	for i, sent := range chunk {
		if sent.confirm == nil {
			continue
		}
		for blocked == nil && !isDone(sent.confirm) {
			select {
			case <-sent.confirm.Done():
			case <-p.blockade.beginning():
				blocked = p.blockade.err()
			}
		}
		if !sent.confirm.Acked() {
			chunk[i].err = errRefused
		}
	}
	return blocked
}

func isDone(c *amqp.DeferredConfirmation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}
