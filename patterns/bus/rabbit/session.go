package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// setupLimit bounds all that comes before a session's first message.
	setupLimit = 10 * time.Second
	// heartbeat bounds, together with the library's tolerance, how long a
	// connection can be dead without being noticed: 15 s.
	heartbeat = 10 * time.Second
	// farewell is how long a session waits for an answer to its end.
	farewell = time.Second
)

var (
	errOldServer = errors.New("the server is older than 3.10")
	errSetupSlow = fmt.Errorf("no session within %v", setupLimit)
)

// session is one connection with one channel, for one use and one life.
type session struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	wire       *wire
	ended      chan *amqp.Error // why, once the channel is closed
	resigned   bool             // it consumes no more
}

// dial opens a session with the topology declared, and prepares it for its use.
func (b *Bus) dial(ctx context.Context, use string, prepare func(*session) error) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setupLimit, errSetupSlow)
	defer cancel()
	s, unguard := &session{}, func() bool { return true }
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
			s.wire = &wire{Conn: c}
			unguard = context.AfterFunc(ctx, s.kill)
			return s.wire, nil
		},
	})
	if err == nil {
		s.connection = connection
		err = s.open(b)
	}
	if err == nil && prepare != nil {
		err = prepare(s)
	}
	if !unguard() {
		err = context.Cause(ctx) // it struck; what else went wrong follows from that
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	return s, nil
}

func (s *session) open(b *Bus) error {
	version, _ := s.connection.Properties["version"].(string)
	if !recent(version) {
		return fmt.Errorf("%w: %s", errOldServer, version)
	}
	if err := b.declare(s.connection); err != nil {
		return err
	}
	channel, err := s.connection.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	s.channel, s.ended = channel, channel.NotifyClose(make(chan *amqp.Error, 1))
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
	if s.connection != nil {
		_ = s.connection.CloseDeadline(time.Now().Add(farewell)) // it is over either way
	}
	s.kill()
}

// kill ends the session at once, also under a write that blocks.
func (s *session) kill() {
	if s.wire != nil {
		_ = s.wire.Close() // it is over either way
	}
}

// loss says why a session that has ended did; nil if nothing is known.
func (s *session) loss() error {
	select {
	case err := <-s.ended:
		if err != nil {
			return err
		}
	default:
	}
	return nil
}
