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

// Migrations create the queue table; versions 301 to 399.
//
//go:embed migrations/*.sql
var Migrations embed.FS

const (
	batchSize = 256
	// pollInterval finds what another process inserted into the queue; this process
	// notifies the consumer itself.
	pollInterval = time.Second
)

// Bus carries events between the services of one process.
type Bus struct {
	topology   bus.Topology
	queues     map[string]*queue // by service
	log        *slog.Logger
	sequential bool
}

// Option configures a Bus.
type Option func(*Bus)

// Sequential makes the bus write to one database after the other, in a fixed order
// and without goroutines. It is meant for simulations.
func Sequential() Option { return func(b *Bus) { b.sequential = true } }

// New returns a bus for the services that have a database here. A message that any
// other service consumes is rejected.
func New(topology bus.Topology, databases map[string]sqldb.DB, log *slog.Logger, o ...Option) *Bus {
	b := &Bus{topology: topology, queues: make(map[string]*queue, len(databases)), log: log}
	for service, db := range databases {
		b.queues[service] = &queue{db: db, notifier: worker.NewNotifier(), maybeRedelivered: true}
	}
	for _, set := range o {
		set(b)
	}
	return b
}

// Publish inserts messages into the queues of all their consumers: one transaction
// per service, side by side. A message fails if the database of one consumer does
// not accept it. When it is published again, the queues that hold it already ignore
// the second copy.
func (b *Bus) Publish(ctx context.Context, messages []bus.Message) []error {
	errs := make([]error, len(messages))
	batches := b.route(messages, errs)
	failed := make([]error, len(batches))
	b.forEach(batches, func(n int) {
		failed[n] = batches[n].queue.insert(ctx, messages, batches[n].indices)
		localPut.Hit()
	})
	for n, batch := range batches {
		if failed[n] == nil {
			continue
		}
		for _, i := range batch.indices {
			errs[i] = errors.Join(errs[i], fmt.Errorf("queue of %s: %w", batch.service, failed[n]))
		}
	}
	return errs
}

// forEach calls f for every batch: side by side, unless the bus is sequential.
func (b *Bus) forEach(batches []*queueBatch, f func(n int)) {
	if b.sequential || len(batches) == 1 {
		for n := range batches {
			f(n)
		}
		return
	}
	var wait sync.WaitGroup
	for n := range batches {
		wait.Go(func() { f(n) })
	}
	wait.Wait()
}

// queueBatch is the part of a published batch that one service consumes.
type queueBatch struct {
	service string
	queue   *queue
	indices []int // into the published batch
}

// route groups the messages by consumer. A message that cannot reach all of its
// consumers is sent to none of them, and its error is stored in errs.
func (b *Bus) route(messages []bus.Message, errs []error) []*queueBatch {
	var batches []*queueBatch
	byService := make(map[string]*queueBatch, len(b.queues))
	for i, m := range messages {
		var services []string
		if services, errs[i] = b.topology.Route(m, b.hasQueue); errs[i] != nil {
			continue
		}
		for _, service := range services {
			batch := byService[service]
			if batch == nil {
				batch = &queueBatch{service: service, queue: b.queues[service]}
				byService[service] = batch
				batches = append(batches, batch)
			}
			batch.indices = append(batch.indices, i)
		}
	}
	return batches
}

// mostCounted limits what it costs to count a long queue.
const mostCounted = 100_000

// Waiting returns how many messages are in the queue of a service, at most mostCounted.
func (b *Bus) Waiting(ctx context.Context, service string) (n int, err error) {
	if !b.hasQueue(service) {
		return 0, fmt.Errorf("%s has no queue here", service)
	}
	return b.queues[service].length(ctx)
}

func (b *Bus) hasQueue(service string) bool { return b.queues[service] != nil }

// Subscribe delivers the service's queue to h, a batch at a time, until ctx ends.
func (b *Bus) Subscribe(ctx context.Context, service string, h bus.BatchHandler) error {
	q := b.queues[service]
	if q == nil {
		return fmt.Errorf("subscribe: %s has no queue", service)
	}
	worker.Worker{
		Name: "consumer", Interval: pollInterval, Wake: q.notifier,
		Step: func(ctx context.Context) (int, error) { return q.step(ctx, h) },
	}.Run(ctx, b.log.With("service", service))
	return nil
}

// Step delivers one batch of the service's queue to h. It returns how many messages
// were acknowledged.
func (b *Bus) Step(ctx context.Context, service string, h bus.BatchHandler) (int, error) {
	q := b.queues[service]
	if q == nil {
		return 0, fmt.Errorf("step: %s has no queue", service)
	}
	return q.step(ctx, h)
}
