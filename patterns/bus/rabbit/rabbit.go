package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
)

// Config configures a Bus. The first four fields are required.
type Config struct {
	URL      string // amqp://user:password@host:5672/vhost
	Name     string // of this program's connections, shown to the operator of RabbitMQ
	Topology bus.Topology
	Log      *slog.Logger
	// RefuseOtherQueues makes Open fail if a queue has other arguments than the topology
	// needs. Without it the queue is used, with a warning.
	RefuseOtherQueues bool
	// EventsPerMessage is how many events of one type a message to a consumer may hold, if
	// they are published together; 0 or 1: one each. Consumers of this version read both.
	EventsPerMessage int
	// Public makes the bus publish each event once more, to the exchange for consumers outside.
	Public bool
}

// Bus publishes on one connection and consumes on others, so that a broker that
// blocks publishers still lets consumers work.
type Bus struct {
	Config

	keys    map[string][]string // by event type, see routingKeys
	metrics metrics
	contact contact
	others  sync.Map    // queues with other arguments, by name, and what differs
	checked atomic.Bool // this user may not declare, and what it needs was there

	consuming sync.Map // the sessions of the consumers, by queue

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
	b := &Bus{Config: c, keys: routingKeys(c.Topology), metrics: newMetrics(), publishLock: make(chan struct{}, 1), idleTimeout: defaultIdleTimeout}
	s, err := b.dial(ctx, opening, (*session).probePublish)
	if err == nil {
		s.close()
		return b, b.refuseOthers()
	}
	if sentence := remedy(err); sentence != "" {
		return nil, fmt.Errorf("%s: %w", sentence, err)
	}
	c.Log.WarnContext(ctx, "RabbitMQ cannot be reached yet; starting without it and retrying", "error", err)
	return b, nil
}

// refuseOthers returns an error that names the queues with other arguments, if they are
// not to be used.
func (b *Bus) refuseOthers() error {
	var all []string
	b.others.Range(func(_, difference any) bool {
		all = append(all, difference.(string))
		return true
	})
	if !b.RefuseOtherQueues || len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return fmt.Errorf("RabbitMQ has queues with other arguments, which may lose events: run 'troupe queues move', "+
		"which moves their events into queues with the right ones (%s)", strings.Join(all, "; "))
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
		return "RabbitMQ does not allow this user to publish events: grant it write permission on the exchange " + exchange +
			", and topic permission for its routing keys"
	case failure.Code == amqp.AccessRefused && declaring:
		return "RabbitMQ does not allow this user to declare exchanges and queues, and some are missing: " +
			"import deploy/rabbitmq/definitions.json, or grant it configure, write and read permission on the vhost"
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
