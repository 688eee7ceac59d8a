// Package rabbit is the bus between processes: a topic exchange and one quorum
// queue per service on RabbitMQ 3.10 or later.
//
// What must not be lost rests on one rule: a session is one fresh connection
// with one channel, and is never revived. Delivery tags start at 1 on every
// channel, so an acknowledgement meant for a dead channel could, on its
// successor, acknowledge messages that nobody handled. Here the acknowledgement
// of a dead session is an error, and the messages come again. For the same
// reason the client library's own recovery stays off.
package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// Config of a Bus. All fields are needed.
type Config struct {
	URL      string // amqp://user:password@host:5672/vhost
	Name     string // of this program's connections, for the broker's operator
	Topology bus.Topology
	Log      *slog.Logger
}

// Bus publishes on one connection and consumes on others, so that a broker that
// holds publishers back still lets consumers work.
type Bus struct {
	Config

	publishing sync.Mutex
	publisher  *publisher // nil until the first message, and after a loss
}

// Open tries the broker once. What trying again can not mend (wrong password,
// missing rights, an old server) is an error that says what to do. A broker that
// is merely not there is logged and looked for again by whoever needs it: a
// service takes orders without one.
func Open(ctx context.Context, c Config) (*Bus, error) {
	b := &Bus{Config: c}
	if _, err := amqp.ParseURI(c.URL); err != nil {
		return nil, fmt.Errorf("AMQP_URL is no amqp://user:password@host:port/vhost: %w", err)
	}
	s, err := b.dial(ctx, "start")
	if err == nil {
		s.close()
		return b, nil
	}
	if sentence := permanent(err); sentence != "" {
		return nil, fmt.Errorf("%s: %w", sentence, err)
	}
	c.Log.WarnContext(ctx, "RabbitMQ is not there yet; going on without it and trying again", "error", err)
	return b, nil
}

// permanent says what to do about an error that trying again can not mend.
func permanent(err error) string {
	var old *oldServerError
	if errors.As(err, &old) {
		return "RabbitMQ is too old: run 3.10 or later"
	}
	var refused *amqp.Error
	if !errors.As(err, &refused) {
		return ""
	}
	switch refused.Code {
	case amqp.AccessRefused:
		if errors.Is(err, errDeclare) {
			return "RabbitMQ does not let this user declare exchanges and queues: give it configure, write and read rights on the vhost"
		}
		return "RabbitMQ refuses user, password or vhost: check AMQP_URL"
	case amqp.NotAllowed, amqp.InvalidPath:
		return "RabbitMQ has no such vhost for this user: check the path of AMQP_URL"
	}
	return ""
}

// Close ends publishing. Subscriptions end with their context.
func (b *Bus) Close() error {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	if b.publisher != nil {
		b.publisher.close()
		b.publisher = nil
	}
	return nil
}

// session is one connection with one channel, for one use and one life.
type session struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	wire       net.Conn
}

type oldServerError struct{ version string }

func (e *oldServerError) Error() string { return "RabbitMQ " + e.version }

// dial opens a session with the topology declared.
func (b *Bus) dial(ctx context.Context, use string) (*session, error) {
	s := &session{}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(b.Name + ": " + use)
	connection, err := amqp.DialConfig(b.URL, amqp.Config{
		Properties: properties,
		Heartbeat:  10 * time.Second,
		Dial: func(network, address string) (net.Conn, error) {
			wire, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			s.wire = wire
			// Bounds the handshake; the library lifts it afterwards.
			return wire, wire.SetDeadline(time.Now().Add(10 * time.Second))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	s.connection = connection
	if err := s.prepare(b.Topology, b.Log); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) prepare(topology bus.Topology, log *slog.Logger) error {
	if version, _ := s.connection.Properties["version"].(string); !recent(version) {
		return &oldServerError{version}
	}
	if err := declare(s.connection, topology, log); err != nil {
		return err
	}
	channel, err := s.connection.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	s.channel = channel
	return nil
}

// recent is 3.10 or later: quorum queues with at-least-once dead-lettering.
func recent(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return true // a server that does not tell; the declarations will
	}
	return major > 3 || major == 3 && minor >= 10
}

// close ends the session politely, but does not wait long for a broker that
// does not read.
func (s *session) close() {
	_ = s.connection.CloseDeadline(time.Now().Add(time.Second)) // it is over either way
	s.kill()
}

// kill ends the session at once, also under a write that blocks.
func (s *session) kill() {
	if s.wire != nil {
		_ = s.wire.Close() // it is over either way
	}
}

// backoff waits longer after each failure in a row, with jitter so that a
// fleet does not come back all at once. It reports whether ctx is still on.
func backoff(ctx context.Context, failures int) bool {
	wait := min(firstBackoff<<min(failures, 10), maxBackoff)
	timer := time.NewTimer(wait/2 + rand.N(wait/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
