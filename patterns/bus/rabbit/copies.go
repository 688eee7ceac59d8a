package rabbit

import (
	"cmp"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
	"troupe/patterns/event"
)

// maxBatchBytes is the most bytes of events that are joined. With the prefetch it limits
// what a consumer holds in memory.
const maxBatchBytes = 32 << 10

// messageCopy is what is published for one consumer: a message, or several of one type.
type messageCopy struct {
	messages []*bus.Message
	indices  []int  // of the messages in the published batch
	exchange string // where it is published
	key      string // the routing key
	size     int    // in bytes
	joins    bool   // whether it takes further messages
	confirm  *amqp.DeferredConfirmation
	err      error
}

// mandatory reports whether the copy is for a service: only then a queue has to accept it.
func (c *messageCopy) mandatory() bool { return c.exchange == exchange && c.key != c.messages[0].Type }

// id returns the id by which the return of the copy is recognized.
func (c *messageCopy) id() string { return c.messages[0].ID }

// publishing returns the copy as it is published: one event as itself, several as a batch. A
// batch has no message id. A consumer of version 0.1, which cannot read it, then parks it
// under a fingerprint of its body, and not under an id that may be that of an event or of
// another batch.
func (c *messageCopy) publishing() amqp.Publishing {
	p := amqp.Publishing{
		DeliveryMode: amqp.Persistent, ContentType: event.ContentType,
		MessageId: c.id(), Type: c.messages[0].Type, Body: c.messages[0].Body,
	}
	if len(c.messages) > 1 {
		bodies := make([][]byte, len(c.messages))
		for i, m := range c.messages {
			bodies[i] = m.Body
		}
		p.MessageId, p.CorrelationId = "", c.id()
		p.ContentType, p.Body = event.BatchContentType, event.Join(bodies)
	}
	return p
}

// fail records the error of the copy as that of its messages. What a queue outside refuses
// is lost for that queue, and does not hold up the services.
func (c *messageCopy) fail(errs []error) {
	if c.exchange == publicExchange && errors.Is(c.err, errRefused) {
		return
	}
	for _, i := range c.indices {
		errs[i] = cmp.Or(errs[i], c.err)
	}
}

// makeCopies returns what is to be published: for each consumer the messages of each type,
// several in one copy. It stores the error of a message that cannot be sent in errs.
func (b *Bus) makeCopies(messages []bus.Message, errs []error) []messageCopy {
	copies := copier{most: max(b.EventsPerMessage, 1), open: map[string]int{}}
	for i := range messages {
		m := &messages[i]
		keys, known := b.keys[m.Type]
		switch {
		case !known:
			errs[i] = fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
		case len(m.ID) > maxID || len(m.Body) > maxBody:
			errs[i] = errTooLarge
		default:
			copies.add(m, i, keys)
			if b.Public {
				copies.addPublic(m, i)
			}
		}
	}
	return copies.all
}

// copier collects copies.
type copier struct {
	most int // messages in a copy
	all  []messageCopy
	open map[string]int // the latest copy of a key, which may take further messages
}

// add adds a message for each of its keys. One whose body is not the event with its id is
// published alone: nothing that is wrong with it affects others.
func (c *copier) add(m *bus.Message, index int, keys []string) {
	joins := c.most > 1 && len(m.Body) < maxBatchBytes && event.ID(m.Body) == m.ID
	for _, key := range keys {
		at, isOpen := c.open[key]
		if joins && isOpen && c.all[at].joins && len(c.all[at].messages) < c.most && c.all[at].size+len(m.Body) <= maxBatchBytes {
			into := &c.all[at]
			into.messages, into.indices, into.size = append(into.messages, m), append(into.indices, index), into.size+len(m.Body)
			continue
		}
		c.open[key] = len(c.all)
		c.all = append(c.all, messageCopy{
			messages: []*bus.Message{m}, indices: []int{index}, exchange: exchange, key: key, size: len(m.Body), joins: joins && key != m.Type,
		})
	}
}

// addPublic adds the copy for consumers outside: a single event under its plain type. What is
// for one of the services alone has none.
func (c *copier) addPublic(m *bus.Message, index int) {
	if event.Recipient(m.Body) != "" {
		return
	}
	c.all = append(c.all, messageCopy{messages: []*bus.Message{m}, indices: []int{index}, exchange: publicExchange, key: m.Type})
}

// toDeliveries returns the events of a message. A batch that cannot be split is one delivery,
// which its consumer cannot read either.
func (c *consumer) toDeliveries(d amqp.Delivery) []bus.Delivery {
	c.inspect(d)
	whole := bus.Delivery{
		Message: bus.Message{ID: d.MessageId, Type: publishedAs(d, c.service), Body: d.Body},
		Attempt: max(deliveryCount(d), c.minAttempt),
	}
	if !event.IsBatch(d.ContentType) {
		return []bus.Delivery{whole}
	}
	bodies, err := event.Split(d.Body)
	if err != nil {
		return []bus.Delivery{whole}
	}
	all := make([]bus.Delivery, len(bodies))
	for i, body := range bodies {
		all[i] = whole
		all[i].ID, all[i].Body = event.ID(body), body
	}
	return all
}

var (
	errRefused  = errors.New("RabbitMQ refused the message: a queue is full or has no majority of its nodes")
	errTooLarge = fmt.Errorf("the id has more than %d or the body more than %d bytes", maxID, maxBody)
)
