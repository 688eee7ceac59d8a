package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

// Config configures a Bus. All fields are required.
type Config struct {
	URL      string // amqp://user:password@host:5672/vhost
	Name     string // of this program's connections, shown to the operator of RabbitMQ
	Topology bus.Topology
	Log      *slog.Logger
}

// Bus publishes on one connection and consumes on others, so that a broker that
// blocks publishers still lets consumers work.
type Bus struct {
	Config

	keys   map[string][]string // by event type, see routingKeys
	warned sync.Map            // names of queues that the log has warned about

	publishLock chan struct{} // full while a call publishes; guards the two fields below
	publisher   *publisher    // nil until the first message, and after a lost session
	closed      bool

	idleTimeout time.Duration // defaultIdleTimeout, except in tests
}

// Open connects to the broker once. A problem that a retry cannot solve (wrong
// password, missing permissions, an old server) is an error that says what to do. A
// broker that cannot be reached is only logged: Publish and Subscribe connect again
// when they need it, because a service accepts orders without a broker.
func Open(ctx context.Context, c Config) (*Bus, error) {
	if !validURL(c.URL) {
		return nil, errInvalidURL
	}
	b := &Bus{Config: c, keys: routingKeys(c.Topology), publishLock: make(chan struct{}, 1), idleTimeout: defaultIdleTimeout}
	s, err := b.dial(ctx, "start", (*session).probePublish)
	if err == nil {
		s.close()
		return b, nil
	}
	if sentence := remedy(err); sentence != "" {
		return nil, fmt.Errorf("%s: %w", sentence, err)
	}
	c.Log.WarnContext(ctx, "RabbitMQ cannot be reached yet; starting without it and retrying", "error", err)
	return b, nil
}

// errInvalidURL names no part of the URL, since any part of a URL that was parsed
// wrongly may belong to the password.
var errInvalidURL = errors.New("AMQP_URL is not of the form amqp://user:password@host:5672/vhost" +
	" (in user, password and vhost, special characters must be percent-encoded: / is %2F, @ is %40)")

// validURL reports whether the URL can be parsed, and in one way only. A /, ? or # in
// the password ends the host before the @, so that a part of the password would be
// taken for host and port, which connection errors name.
func validURL(url string) bool {
	_, err := amqp.ParseURI(url)
	_, rest, found := strings.Cut(url, "://")
	end := strings.IndexAny(rest, "/?#")
	return err == nil && found && (end < 0 || !strings.Contains(rest[end:], "@"))
}

// remedy returns a sentence that says what to do about an error that a retry cannot
// solve, or "" for any other error.
func remedy(err error) string {
	if errors.Is(err, errOldServer) {
		return "RabbitMQ is too old: run 3.10 or later"
	}
	failure, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return ""
	}
	switch declaring := errors.Is(err, errDeclare); {
	case failure.Code == amqp.AccessRefused && errors.Is(err, errProbe):
		return "RabbitMQ does not allow this user to publish events: grant it write permission on the exchange " + exchange
	case failure.Code == amqp.AccessRefused && declaring:
		return "RabbitMQ does not allow this user to declare exchanges and queues: grant it configure, write and read permission on the vhost"
	case failure.Code == amqp.AccessRefused:
		return "RabbitMQ refuses user or password: check AMQP_URL"
	case failure.Code == amqp.NotAllowed, failure.Code == amqp.InvalidPath:
		return "RabbitMQ has no such vhost for this user: check the path of AMQP_URL"
	case failure.Code == amqp.PreconditionFailed && declaring:
		return "RabbitMQ has an exchange of this name with another type or other arguments: delete it, or use another vhost"
	}
	return ""
}

// Close ends publishing. Subscriptions end with their context.
func (b *Bus) Close() error {
	b.publishLock <- struct{}{}
	defer func() { <-b.publishLock }()
	b.closed = true
	b.closePublisher()
	return nil
}
