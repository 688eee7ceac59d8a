package rabbit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/journal"
	"troupe/patterns/worker"
)

const (
	journalExchange = "troupe.journal"
	journalQueue    = "console.journal"
	// The queue of the console holds a little more than it can be behind. What is older, or
	// more, is lost; and the queue is deleted when no console has consumed for an hour.
	journalQueueBytes = 64 << 20
	journalTTL        = time.Minute
	journalExpires    = time.Hour

	journalWrite    = 5 * time.Second // how long the broker may take to accept a message
	journalPrefetch = 50              // messages, which are handled together
)

var errNoSession = errors.New("there is no connection to RabbitMQ now")

// Journal carries the records of the journals to the console: by messages that are neither
// stored nor confirmed, to each consumer that has bound a queue. It has connections of its own, so it
// never holds up events.
type Journal struct {
	bus *Bus

	mu       sync.Mutex
	session  *session // nil until the first message, and after a failure
	blocked  *atomic.Bool
	failures int
	retryAt  time.Time
	closed   bool
}

// NewJournal returns a journal that connects when it is used. url is that of AMQP_URL, and
// name that of the program's connections.
func NewJournal(url, name string, log *slog.Logger) *Journal {
	return &Journal{bus: &Bus{Config: Config{URL: url, Name: name, Log: log}, metrics: newMetrics()}}
}

// Send is a journal.Sink. If the broker is away it fails at once, and tries to connect once
// in a while.
func (j *Journal) Send(records []journal.Record) error {
	body, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("encode the journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), journalWrite)
	defer cancel()
	if err := j.connect(ctx); err != nil {
		return err
	}
	if j.blocked.Load() {
		return errBlocked
	}
	disarm := context.AfterFunc(ctx, j.session.kill) // the client library ignores contexts, and a write can block
	err = j.session.channel.PublishWithContext(ctx, journalExchange, "", false, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Transient, Body: body,
	})
	if disarm(); err != nil {
		j.session.close()
		j.session = nil
		return fmt.Errorf("publish the journal: %w", err)
	}
	return nil
}

// connect opens a session unless there is one, or the last attempt was a moment ago.
func (j *Journal) connect(ctx context.Context) error {
	if j.session != nil && !j.session.channel.IsClosed() {
		return nil
	}
	if j.session != nil {
		j.session.close()
		j.session = nil
	}
	if j.closed || time.Now().Before(j.retryAt) {
		return errNoSession
	}
	s, err := j.bus.dial(ctx, "journal", declareJournal)
	if err != nil {
		j.failures++
		j.retryAt = time.Now().Add(redial.Wait(j.failures, 1))
		return err
	}
	blocked := &atomic.Bool{}
	notices := s.connection.NotifyBlocked(make(chan amqp.Blocking, 1))
	go func() {
		for notice := range notices {
			blocked.Store(notice.Active)
		}
	}()
	j.session, j.blocked, j.failures = s, blocked, 0
	return nil
}

// declareJournal declares the exchange of the journals. A user who may not do that needs one
// that exists.
func declareJournal(s *session) error {
	channel, err := s.connection.Channel()
	if err != nil {
		return err
	}
	err = channel.ExchangeDeclare(journalExchange, amqp.ExchangeFanout, true, false, false, false, nil)
	if refused, ok := errors.AsType[*amqp.Error](err); ok && refused.Code == amqp.AccessRefused {
		return nil // and the channel is closed
	}
	if err != nil {
		return err
	}
	return channel.Close()
}

// Consume hands the records of all journals to handle until ctx ends. What handle does not
// take is delivered again, for as long as the queue holds it.
func (j *Journal) Consume(ctx context.Context, handle func(context.Context, []journal.Record) error) {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		err := j.consume(ctx, handle)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			failures = 0
		}
		if failures++; failures == 1 {
			j.bus.Log.WarnContext(ctx, "the journals cannot be read; retrying", "queue", journalQueue, "error", err)
		}
		if !waitToRetry(ctx, failures) {
			return
		}
	}
}

func (j *Journal) consume(ctx context.Context, handle func(context.Context, []journal.Record) error) error {
	grace, cancel := worker.Grace(ctx)
	defer cancel()
	var deliveries <-chan amqp.Delivery
	s, err := j.bus.dial(ctx, "consume "+journalQueue, func(s *session) (err error) {
		deliveries, err = subscribeJournal(s)
		return err
	})
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(grace, s.kill)()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errConsumerEnded
			}
			if err := takeJournal(grace, d, deliveries, handle); err != nil {
				return err
			}
		}
	}
}

func subscribeJournal(s *session) (<-chan amqp.Delivery, error) {
	if err := declareJournal(s); err != nil {
		return nil, err
	}
	if _, err := s.channel.QueueDeclare(journalQueue, true, false, false, false, amqp.Table{
		"x-max-length-bytes": int64(journalQueueBytes), "x-overflow": "drop-head",
		"x-message-ttl": journalTTL.Milliseconds(), "x-expires": journalExpires.Milliseconds(),
	}); err != nil {
		return nil, fmt.Errorf("declare %s: %w", journalQueue, err)
	}
	if err := s.channel.QueueBind(journalQueue, "", journalExchange, false, nil); err != nil {
		return nil, fmt.Errorf("bind %s: %w", journalQueue, err)
	}
	if err := s.channel.Qos(journalPrefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch: %w", err)
	}
	return s.channel.Consume(journalQueue, journalQueue, false, false, false, false, nil)
}

// takeJournal handles a message together with those that have arrived meanwhile, and
// acknowledges them. One that cannot be read is left out.
func takeJournal(ctx context.Context, d amqp.Delivery, more <-chan amqp.Delivery, handle func(context.Context, []journal.Record) error) error {
	var records []journal.Record
	for taken := 1; ; taken++ {
		var some []journal.Record
		if json.Unmarshal(d.Body, &some) == nil {
			records = append(records, some...)
		}
		if taken == journalPrefetch {
			break
		}
		next, ok := arrived(more)
		if !ok {
			break
		}
		d = next
	}
	if len(records) > 0 {
		if err := handle(ctx, records); err != nil {
			return fmt.Errorf("keep the journal: %w", err)
		}
	}
	return d.Ack(true)
}

// arrived returns the next delivery if it is there already.
func arrived(deliveries <-chan amqp.Delivery) (amqp.Delivery, bool) {
	select {
	case d, open := <-deliveries:
		return d, open
	default:
		return amqp.Delivery{}, false
	}
}

// Close ends sending. Consume ends with its context.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.session != nil {
		j.session.close()
		j.session = nil
	}
	return nil
}
