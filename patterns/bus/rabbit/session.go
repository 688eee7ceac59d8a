package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// setupTimeout limits everything before a session's first message.
	setupTimeout = 10 * time.Second
	// heartbeat limits, together with the library's tolerance, how long a lost
	// connection goes unnoticed: 15 s.
	heartbeat = 10 * time.Second
	// closeTimeout is how long a session waits for the broker's answer to its close.
	closeTimeout = time.Second
)

var (
	errOldServer    = errors.New("the server is older than 3.10")
	errSetupTimeout = fmt.Errorf("no session within %v", setupTimeout)
)

// session is one connection with one channel, for one use. It is never revived.
type session struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	conn       *corkedConn
	closed     chan *amqp.Error // receives the reason once the channel is closed
	cancelled  bool             // its consumer was cancelled

	received, acknowledged atomic.Uint64 // the tags of the last messages: they are numbered from 1
}

// dial opens a session, declares the topology on it, and prepares it for its use.
func (b *Bus) dial(ctx context.Context, use string, prepare func(*session) error) (*session, error) {
	s, err := b.dialOnce(ctx, use, prepare)
	if err == nil || ctx.Err() == nil {
		b.contact.note(use, err == nil)
	}
	return s, err
}

func (b *Bus) dialOnce(ctx context.Context, use string, prepare func(*session) error) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTimeout, errSetupTimeout)
	defer cancel()
	s, disarm := &session{}, func() bool { return true }
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(b.Name + ": " + use)
	connection, err := amqp.DialConfig(b.URL, amqp.Config{
		Properties: properties,
		Heartbeat:  heartbeat,
		Dial: func(network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			s.conn = &corkedConn{Conn: c}
			disarm = context.AfterFunc(ctx, s.kill)
			return s.conn, nil
		},
	})
	if err == nil {
		s.connection = connection
		err = s.open(b)
	}
	if err == nil && prepare != nil {
		err = prepare(s)
	}
	if !disarm() {
		err = context.Cause(ctx) // the session was killed; any other error follows from that
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return s, nil
}

func (s *session) open(b *Bus) error {
	version, _ := s.connection.Properties["version"].(string)
	if !supported(version) {
		return fmt.Errorf("%w: %s", errOldServer, version)
	}
	if err := b.declare(s.connection); err != nil {
		return err
	}
	channel, err := s.connection.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	s.channel, s.closed = channel, channel.NotifyClose(make(chan *amqp.Error, 1))
	return nil
}

// supported reports whether the server is RabbitMQ 3.10 or later, which has quorum
// queues with at-least-once dead-lettering.
func supported(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return true // no version to compare; the declarations will fail if it is too old
	}
	return major > 3 || major == 3 && minor >= 10
}

// close closes the connection with a handshake, but does not wait long for a broker
// that has stopped reading.
func (s *session) close() {
	if s.connection != nil {
		_ = s.connection.CloseDeadline(time.Now().Add(closeTimeout)) // the session ends either way
	}
	s.kill()
}

// kill ends the session at once, even while a write blocks.
func (s *session) kill() {
	if s.conn != nil {
		_ = s.conn.Close() // the session ends either way
	}
}

// closeReason returns why the session was closed, or nil if that is unknown.
func (s *session) closeReason() error {
	select {
	case err := <-s.closed:
		if err != nil {
			return err
		}
	default:
	}
	return nil
}
