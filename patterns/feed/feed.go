// Package feed wakes the readers of live streams: a customer's inbox, the status of an
// order. What a reader reads is in the database; a feed only reports that there is more.
//
// Each topic (a customer, an order) has a position, a number in the database that grows
// with every change and becomes visible together with it. A reader keeps the position up
// to which it has read, reads what follows, and waits:
//
//	reader, err := f.Open(userID, topic)
//	defer reader.Close()
//	for {
//		// read from the database what follows the last position, and send it
//		if err := reader.Wait(ctx); err != nil {
//			return err
//		}
//	}
//
// A change that this replica has made wakes its readers at once ([Feed.Changed]). Changes
// by other replicas are found by one worker for all readers, which asks for the positions
// of the open topics alone: without readers it does nothing. A reader holds no events, so
// a slow one takes no memory, and one that comes back continues where it was.
package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/worker"
	"troupe/platform/fault"
)

// ErrStopped is the error of a reader whose feed takes no further readers, because the
// process stops.
var ErrStopped = errors.New("the feed has stopped")

// Config is what a Feed needs. All fields are required.
type Config struct {
	// Positions returns the positions of those topics that have one.
	Positions func(ctx context.Context, topics []string) (map[string]int64, error)
	Most      int // readers at a time
	PerUser   int // readers of one user at a time
}

// Feed wakes readers. It is safe for concurrent use.
type Feed struct {
	config Config

	mu      sync.Mutex
	topics  map[string]*topic
	byUser  map[string]int
	open    int
	stopped bool
}

// topic is what at least one reader reads.
type topic struct {
	position int64 // the last one that was found; 0 before the first
	readers  map[*Reader]struct{}
}

// Reader is one open stream. Close it when it ends.
type Reader struct {
	feed   *Feed
	user   string
	topic  string
	wake   worker.Notifier
	closed bool // guarded by feed.mu
}

// New returns a feed without readers.
func New(c Config) *Feed {
	return &Feed{config: c, topics: map[string]*topic{}, byUser: map[string]int{}}
}

// Worker returns the worker that finds the changes by other replicas.
func (f *Feed) Worker(interval time.Duration) worker.Worker {
	return worker.Worker{Name: "feed", Step: f.Step, Interval: interval}
}

// RegisterMetrics registers the number of open readers.
func (f *Feed) RegisterMetrics(r *prometheus.Registry) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_feed_readers", Help: "Open live streams of this replica.",
	}, func() float64 { return float64(f.Readers()) }))
}

// Readers returns the number of open readers.
func (f *Feed) Readers() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Open returns a reader of a topic. It fails if the user, or all users together, have as
// many readers as permitted, and if the feed has stopped.
func (f *Feed) Open(user, of string) (*Reader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopped:
		return nil, refusal(fault.Unavailable, "the service is stopping; connect again, to another replica")
	case f.open >= f.config.Most:
		return nil, refusal(fault.Unavailable, fmt.Sprintf("all %d live streams of this replica are in use; try again", f.config.Most))
	case f.byUser[user] >= f.config.PerUser:
		return nil, refusal(fault.TooManyRequests, fmt.Sprintf("you have %d live streams open, which is the most; close one", f.config.PerUser))
	}
	r := &Reader{feed: f, user: user, topic: of, wake: worker.NewNotifier()}
	if f.topics[of] == nil {
		f.topics[of] = &topic{readers: map[*Reader]struct{}{}}
	}
	f.topics[of].readers[r] = struct{}{}
	f.byUser[user]++
	f.open++
	return r, nil
}

func refusal(kind fault.Kind, sentence string) error {
	refused := fault.New(kind, "too_many_streams", "%s", sentence)
	refused.RetryAfter = 5 * time.Second
	return refused
}

// Changed wakes the readers of a topic. Call it after the commit of a change.
func (f *Feed) Changed(of string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.topics[of]; t != nil {
		t.notify()
	}
}

func (t *topic) notify() {
	for r := range t.readers {
		r.wake.Notify()
	}
}

// Step wakes the readers of the topics whose position has changed. It always returns 0:
// there is nothing to continue.
func (f *Feed) Step(ctx context.Context) (int, error) {
	topics := f.openTopics()
	if len(topics) == 0 {
		return 0, nil
	}
	positions, err := f.config.Positions(ctx, topics)
	if err != nil {
		return 0, fmt.Errorf("read the positions of %d live streams: %w", len(topics), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, position := range positions {
		if t := f.topics[name]; t != nil && t.position != position {
			t.position = position
			t.notify()
		}
	}
	return 0, nil
}

func (f *Feed) openTopics() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.topics))
	for name := range f.topics {
		names = append(names, name)
	}
	return names
}

// Stop ends all readers and takes no further ones.
func (f *Feed) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	for _, t := range f.topics {
		t.notify()
	}
}

// Wait returns nil when the topic may have changed since the last Wait, ErrStopped once
// the feed has stopped, and the error of ctx when it ends. A change that came before the
// end of ctx counts.
func (r *Reader) Wait(ctx context.Context) error {
	select {
	case <-r.wake:
	case <-ctx.Done():
		select {
		case <-r.wake:
		default:
			return ctx.Err()
		}
	}
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	if r.feed.stopped {
		r.wake.Notify() // for the next Wait
		return ErrStopped
	}
	return nil
}

// Close ends the reader. It may be called more than once.
func (r *Reader) Close() {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	f.open--
	if f.byUser[r.user]--; f.byUser[r.user] == 0 {
		delete(f.byUser, r.user)
	}
	t := f.topics[r.topic]
	delete(t.readers, r)
	if len(t.readers) == 0 {
		delete(f.topics, r.topic)
	}
}
