// Package local is the bus of a single process: a queue table in the database of
// every consumer. To publish is to insert into the queues of all hearers, and a
// queue's row is deleted after its handler has committed, so nothing is lost
// whenever the process dies.
package local

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// Migrations make the queue table; versions 301 to 399.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const (
	takeBatch = 256
	// lookEvery finds what another process put into the queue; this one wakes
	// the consumer itself.
	lookEvery = time.Second
)

// Bus carries events between the services of one process.
type Bus struct {
	topology   bus.Topology
	queues     map[string]*queue // by service
	log        *slog.Logger
	sequential bool
}

// Option of a bus.
type Option func(*Bus)

// Sequential writes to one database after the other, in a fixed order and without
// goroutines: for simulations.
func Sequential() Option { return func(b *Bus) { b.sequential = true } }

// New makes a bus for the services that have a database here. What has to reach
// any other service is refused.
func New(topology bus.Topology, databases map[string]sqldb.DB, log *slog.Logger, o ...Option) *Bus {
	b := &Bus{topology: topology, queues: make(map[string]*queue, len(databases)), log: log}
	for service, db := range databases {
		b.queues[service] = &queue{db: db, filled: worker.NewNotifier(), unsure: true}
	}
	for _, set := range o {
		set(b)
	}
	return b
}

// Publish puts messages into the queues of all their hearers: one transaction per
// hearer, side by side. A message that one hearer's database does not take is
// refused; those that have it will not take it twice at once.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	posts := b.route(messages, errs)
	failed := make([]error, len(posts))
	b.each(posts, func(n int) {
		failed[n] = posts[n].queue.put(ctx, messages, posts[n].indices)
		localPut.Hit()
	})
	for n, p := range posts {
		if failed[n] == nil {
			continue
		}
		for _, i := range p.indices {
			errs[i] = errors.Join(errs[i], fmt.Errorf("queue of %s: %w", p.service, failed[n]))
		}
	}
	return errs
}

// each calls f for every post, side by side unless told otherwise.
func (b *Bus) each(posts []*post, f func(n int)) {
	if b.sequential || len(posts) == 1 {
		for n := range posts {
			f(n)
		}
		return
	}
	var wait sync.WaitGroup
	for n := range posts {
		wait.Go(func() { f(n) })
	}
	wait.Wait()
}

// post is what one service hears of a published batch.
type post struct {
	service string
	queue   *queue
	indices []int // into the batch
}

// route finds the hearers. A message that can not reach all of them goes to none.
func (b *Bus) route(messages []bus.Message, errs []error) []*post {
	var posts []*post
	byService := make(map[string]*post, len(b.queues))
	for i, m := range messages {
		if errs[i] = b.routable(m); errs[i] != nil {
			continue
		}
		for _, service := range b.topology[m.Type] {
			p := byService[service]
			if p == nil {
				p = &post{service: service, queue: b.queues[service]}
				byService[service] = p
				posts = append(posts, p)
			}
			p.indices = append(p.indices, i)
		}
	}
	return posts
}

func (b *Bus) routable(m bus.Message) error {
	services, known := b.topology[m.Type]
	if !known {
		return fmt.Errorf("%q: %w", m.Type, bus.ErrUnknownType)
	}
	for _, service := range services {
		if b.queues[service] == nil {
			return fmt.Errorf("%q for %s: %w", m.Type, service, bus.ErrUnroutable)
		}
	}
	return nil
}

// Subscribe hands the service's queue to h, a batch at a time, until ctx ends.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	q := b.queues[service]
	if q == nil {
		return fmt.Errorf("subscribe: %s has no queue", service)
	}
	worker.Worker{
		Name: "consumer", Interval: lookEvery, Wake: q.filled,
		Step: func(ctx context.Context) (int, error) { return q.step(ctx, h) },
	}.Run(ctx, b.log.With("service", service))
	return nil
}

// Step hands h one batch of the service's queue and says how many messages it
// acknowledged.
func (b *Bus) Step(ctx context.Context, service string, h bus.BatchHandler) (int, error) {
	q := b.queues[service]
	if q == nil {
		return 0, fmt.Errorf("step: %s has no queue", service)
	}
	return q.step(ctx, h)
}
