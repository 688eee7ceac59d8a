package rabbit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/retry"
)

// aside is the end of the name of the queue that holds the messages of another one while
// that is replaced.
const aside = ".moving"

// moveBatch is how many messages are moved at a time.
const moveBatch = 256

var errInUse = errors.New("a service consumes it: stop the service, then run this again; nothing is lost")

// Move replaces each queue that has other arguments than the topology needs, and moves its
// messages into the new one. Services may publish in the meantime, but none may consume
// these queues, and those that did must have ended: the broker does not show which messages
// of a classic queue are still unacknowledged. It may be interrupted at any point and run again: a message is
// removed from a queue after another one has it, so it may arrive twice, as any other.
// report is called with what is done, and moved with how many messages of a queue were moved
// so far.
func Move(ctx context.Context, url string, topology bus.Topology, report func(string), moved func(messages int)) error {
	return withBroker(url, func(m *mover) error {
		m.report, m.moved = report, moved
		for _, e := range exchanges {
			if err := m.do(declareExchange(e.name, e.kind)); err != nil {
				return fmt.Errorf("%s: delete it, or use another vhost, if it has another type: %w", e.name, err)
			}
		}
		for _, q := range queueSpecs(topology) {
			if err := m.move(ctx, q); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
		return nil
	})
}

// mover has one connection, and a channel for each step: an error closes its channel.
type mover struct {
	connection *amqp.Connection
	report     func(string)
	moved      func(messages int)
}

// withBroker calls f with a connection of an operator.
func withBroker(url string, f func(*mover) error) error {
	if !validURL(url) {
		return errInvalidURL
	}
	connection, err := amqp.DialConfig(url, amqp.Config{Heartbeat: heartbeat})
	if err != nil {
		return fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return errors.Join(f(&mover{connection: connection}), connection.Close())
}

// do calls f with a new channel.
func (m *mover) do(f func(*amqp.Channel) error) error {
	channel, err := m.connection.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := f(channel); err != nil {
		_ = channel.Close() // the error has closed it already
		return err
	}
	return channel.Close()
}

// hasCode reports whether err is the broker's error with this code.
func hasCode(err error, code int) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && e.Code == code
}

// move replaces one queue. New messages go to the queue aside from the moment at which it
// is bound, and come back with the others.
func (m *mover) move(ctx context.Context, q queueSpec) error {
	difference, err := m.compare(q)
	if err != nil {
		return err
	}
	if difference != "" {
		if err := m.setAside(ctx, q); err != nil {
			return err
		}
	}
	if err := m.declare(q.name, q.arguments, q.exchange, q.keys); err != nil {
		return err
	}
	if there, err := m.exists(q.name + aside); err != nil || !there {
		return err
	}
	if err := m.unbind(q.name+aside, q); err != nil {
		return err
	}
	n, err := m.empty(ctx, q.name+aside, q.name, q.service)
	if err == nil {
		m.report(fmt.Sprintf("%s has the right arguments now, and %d messages came back into it", q.name, n))
	}
	return err
}

// setAside moves the messages of a queue aside and deletes the queue.
func (m *mover) setAside(ctx context.Context, q queueSpec) error {
	if err := m.do(func(ch *amqp.Channel) error { return requireUnused(ctx, ch, q.name) }); err != nil {
		return err
	}
	if err := m.declare(q.name+aside, deadQueueArguments(), q.exchange, q.keys); err != nil {
		return err
	}
	if err := m.unbind(q.name, q); err != nil {
		return err
	}
	n, err := m.empty(ctx, q.name, q.name+aside, q.service)
	if err == nil {
		m.report(fmt.Sprintf("%s had other arguments and is deleted; %d messages were set aside in %s", q.name, n, q.name+aside))
	}
	return err
}

// compare returns what differs between the queue and what the topology needs, "" if
// nothing does or if there is no queue.
func (m *mover) compare(q queueSpec) (difference string, err error) {
	there, err := m.exists(q.name)
	if err != nil || !there {
		return "", err
	}
	err = m.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(q.name, true, false, false, false, q.arguments)
		return err
	})
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.PreconditionFailed {
		return e.Reason, nil
	}
	return "", err
}

func (m *mover) exists(name string) (bool, error) {
	err := m.do(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if hasCode(err, amqp.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// declare declares and binds a queue.
func (m *mover) declare(name string, arguments amqp.Table, exchange string, keys []string) error {
	return m.do(func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
			return err
		}
		for _, key := range keys {
			if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *mover) unbind(name string, q queueSpec) error {
	return m.do(func(ch *amqp.Channel) error {
		for _, key := range q.keys {
			if err := ch.QueueUnbind(name, key, q.exchange, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// empty moves all messages of a queue into another one and deletes the queue. It returns
// their number.
func (m *mover) empty(ctx context.Context, from, to, service string) (n int, err error) {
	err = m.do(func(ch *amqp.Channel) error {
		returned := ch.NotifyReturn(make(chan amqp.Return, moveBatch))
		if err := ch.Confirm(false); err != nil {
			return err
		}
		for {
			last, moved, err := copySome(ctx, ch, from, to, service)
			if err == nil && len(returned) > 0 { // the broker returns a message before it confirms it
				err = fmt.Errorf("%s is missing", to)
			}
			if err == nil && moved > 0 {
				err = ch.Ack(last, true)
			}
			if err != nil {
				return err
			}
			if n += moved; moved == 0 {
				return deleteEmpty(ctx, ch, from)
			}
			m.moved(n)
		}
	})
	return n, err
}

// copySome copies at most a batch, until the other queue has confirmed all of it. It
// returns the tag of the last message, which acknowledges all. A channel that closes before
// that returns them to their queue.
func copySome(ctx context.Context, ch *amqp.Channel, from, to, service string) (last uint64, n int, err error) {
	var confirms []*amqp.DeferredConfirmation
	for len(confirms) < moveBatch {
		d, ok, err := ch.Get(from, false)
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			break
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", to, true, false, copyOf(d, service))
		if err != nil {
			return 0, 0, err
		}
		confirms, last = append(confirms, confirm), d.DeliveryTag
	}
	for _, confirm := range confirms {
		accepted, err := confirm.WaitContext(ctx)
		if err != nil {
			return 0, 0, err
		}
		if !accepted {
			return 0, 0, errRefused
		}
	}
	return last, len(confirms), nil
}

// copyOf returns the message as it is published into another queue: under the type that
// its consumer takes it for.
func copyOf(d amqp.Delivery, service string) amqp.Publishing {
	headers := maps.Clone(d.Headers)
	delete(headers, countHeader)
	return amqp.Publishing{
		Headers: headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: amqp.Persistent,
		CorrelationId: d.CorrelationId, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: publishedAs(d, service), AppId: d.AppId, Body: d.Body,
	}
}

// deleteEmpty deletes a queue without messages and consumers. The broker can check that
// itself for classic queues, but refuses to for quorum queues.
func deleteEmpty(ctx context.Context, ch *amqp.Channel, name string) error {
	if err := requireUnused(ctx, ch, name); err != nil {
		return err
	}
	q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if err != nil {
		return err
	}
	if q.Messages > 0 {
		return errors.New("messages still arrive in it: unbind it from other exchanges, then run this again; nothing is lost")
	}
	_, err = ch.QueueDelete(name, false, false, false)
	return err
}

// usePatience is how long a queue may still have consumers: what a channel got and has
// acknowledged counts as one for a moment.
const usePatience = 5 * time.Second

// requireUnused returns errInUse if the queue keeps its consumers.
func requireUnused(ctx context.Context, ch *amqp.Channel, name string) error {
	for deadline := time.Now().Add(usePatience); ; {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		if err != nil || q.Consumers == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return errInUse
		}
		if err := retry.Sleep(ctx, usePatience/50); err != nil {
			return err
		}
	}
}
