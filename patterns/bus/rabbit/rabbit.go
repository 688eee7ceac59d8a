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
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"troupe/patterns/bus"
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

	keys   map[string][]string // see keysOf
	warned sync.Map            // names of queues that the log has had its warning about

	turn      chan struct{} // full while somebody publishes; guards what follows
	publisher *publisher    // nil until the first message, and after a loss
	closed    bool

	idle time.Duration // idleLimit, but in tests
}

// Open tries the broker once. What trying again can not mend (wrong password,
// missing rights, an old server) is an error that says what to do. A broker that
// is merely not there is logged and looked for again by whoever needs it: a
// service takes orders without one.
func Open(ctx context.Context, c Config) (*Bus, error) {
	if !sound(c.URL) {
		return nil, errBadURL
	}
	b := &Bus{Config: c, keys: keysOf(c.Topology), turn: make(chan struct{}, 1), idle: idleLimit}
	s, err := b.dial(ctx, "start", (*session).tryToPublish)
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

// errBadURL tells no more, since whatever was understood of such a URL, or not,
// may be a part of the password.
var errBadURL = errors.New("AMQP_URL is not like amqp://user:password@host:5672/vhost" +
	" (in user, password and vhost, special characters must be percent-encoded: / is %2F, @ is %40)")

// sound tells whether the URL can be read, and in one way only. A /, ? or # in a
// password ends the host too early for the @ to be seen, and what there is of the
// password is taken for host and port, which errors would name.
func sound(url string) bool {
	_, err := amqp.ParseURI(url)
	_, rest, found := strings.Cut(url, "://")
	end := strings.IndexAny(rest, "/?#")
	return err == nil && found && (end < 0 || !strings.Contains(rest[end:], "@"))
}

// permanent says what to do about an error that trying again can not mend.
func permanent(err error) string {
	if errors.Is(err, errOldServer) {
		return "RabbitMQ is too old: run 3.10 or later"
	}
	refused, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return ""
	}
	switch declaring := errors.Is(err, errDeclare); {
	case refused.Code == amqp.AccessRefused && errors.Is(err, errTry):
		return "RabbitMQ does not let this user publish events: give it write rights on the exchange " + exchange
	case refused.Code == amqp.AccessRefused && declaring:
		return "RabbitMQ does not let this user declare exchanges and queues: give it configure, write and read rights on the vhost"
	case refused.Code == amqp.AccessRefused:
		return "RabbitMQ refuses user or password: check AMQP_URL"
	case refused.Code == amqp.NotAllowed, refused.Code == amqp.InvalidPath:
		return "RabbitMQ has no such vhost for this user: check the path of AMQP_URL"
	case refused.Code == amqp.PreconditionFailed && declaring:
		return "RabbitMQ has an exchange of this name that works otherwise: delete it, or use another vhost"
	}
	return ""
}

// Close ends publishing. Subscriptions end with their context.
func (b *Bus) Close() error {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	b.closed = true
	b.hangUp()
	return nil
}
