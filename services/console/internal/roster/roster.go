// Package roster remembers who runs and who consumes what, from the records of the
// journals: the instances of each service, how fast its consumers are, and how its circuit
// breakers have changed. It is in memory, and of a restart nothing is left.
package roster

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"troupe/patterns/journal"
	"troupe/platform/ascii"
	"troupe/services/console/internal/view"
)

const (
	// seconds is of how long rates are the average.
	seconds = 10
	// forgotten is how long an instance is listed after its last record.
	forgotten = 5 * time.Minute
	// transitions is how many changes of a circuit breaker are kept.
	transitions = 32
	// awaited is how many published events are kept until they are handled.
	awaited = 10_000
)

// Roster is what the records have shown. Its methods can be called from several goroutines.
type Roster struct {
	now func() time.Time

	mu        sync.Mutex
	instances map[string]map[string]time.Time // when last seen, by service and name
	consumers map[consumerKey]*consumer
	breakers  map[breakerKey][]view.Transition // the latest first
	published map[string]time.Time             // by the id of the event
	order     []string                         // of the events in published, the oldest first
}

type (
	consumerKey struct{ service, eventType string }
	breakerKey  struct{ service, dependency string }
)

// consumer counts the attempts of a service at events of a type.
type consumer struct {
	all, failed perSecond
	lag         time.Duration // of the latest
}

// New returns a roster that has seen nothing.
func New(now func() time.Time) *Roster {
	return &Roster{
		now: now, instances: map[string]map[string]time.Time{}, consumers: map[consumerKey]*consumer{},
		breakers: map[breakerKey][]view.Transition{}, published: map[string]time.Time{},
	}
}

// Observe takes records in.
func (r *Roster) Observe(records []journal.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, record := range records {
		if record.Instance != "" {
			if r.instances[record.Service] == nil {
				r.instances[record.Service] = map[string]time.Time{}
			}
			r.instances[record.Service][record.Instance] = now
		}
		switch {
		case record.Event != nil:
			r.publishedAt(record.Event.ID, record.At)
		case record.Attempt != nil:
			r.attempt(now, record.Service, *record.Attempt)
		case record.Breaker != nil:
			r.moved(record)
		}
	}
}

// publishedAt remembers when an event was published. The oldest are forgotten first.
func (r *Roster) publishedAt(id string, at time.Time) {
	if _, known := r.published[id]; known {
		return
	}
	r.published[id] = at
	if r.order = append(r.order, id); len(r.order) > awaited {
		delete(r.published, r.order[0])
		r.order = r.order[1:]
	}
}

func (r *Roster) attempt(now time.Time, service string, a journal.Attempt) {
	key := consumerKey{service, a.Type}
	c := r.consumers[key]
	if c == nil {
		c = &consumer{}
		r.consumers[key] = c
	}
	c.all.add(now)
	if a.Outcome == journal.Retry || a.Outcome == journal.Dead {
		c.failed.add(now)
	}
	if at, known := r.published[a.EventID]; known {
		c.lag = max(0, a.FinishedAt.Sub(at))
	}
}

func (r *Roster) moved(record journal.Record) {
	b := record.Breaker
	key := breakerKey{record.Service, b.Dependency}
	all := slices.Insert(r.breakers[key], 0, view.Transition{At: record.At, From: ascii.Lower(b.From), To: ascii.Lower(b.To), Reason: b.Reason})
	r.breakers[key] = all[:min(len(all), transitions)]
}

// Instances returns the instances of a service that have recorded something lately, by name.
func (r *Roster) Instances(service string) []view.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []view.Instance{}
	for name, seen := range r.instances[service] {
		if r.now().Sub(seen) > forgotten {
			delete(r.instances[service], name)
			continue
		}
		list = append(list, view.Instance{Name: name, SeenAt: seen})
	}
	slices.SortFunc(list, func(a, b view.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Consumers returns what a service consumes, for each of the types.
func (r *Roster) Consumers(service string, types []string) []view.Consumer {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]view.Consumer, len(types))
	for i, eventType := range types {
		list[i] = view.Consumer{Type: eventType}
		if c := r.consumers[consumerKey{service, eventType}]; c != nil {
			list[i].Rate, list[i].Failed, list[i].Lag = c.all.rate(r.now()), c.failed.rate(r.now()), c.lag.Seconds()
		}
	}
	return list
}

// Breakers returns the circuit breakers of a service that have changed their state.
func (r *Roster) Breakers(service string) []view.BreakerState {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []view.BreakerState{}
	for key, history := range r.breakers {
		if key.service == service {
			list = append(list, view.BreakerState{Dependency: key.dependency, State: history[0].To, History: slices.Clone(history)})
		}
	}
	slices.SortFunc(list, func(a, b view.BreakerState) int { return cmp.Compare(a.Dependency, b.Dependency) })
	return list
}

// perSecond counts in the last seconds.
type perSecond struct {
	counts [seconds]int
	newest int64 // the second of the newest count
}

func (p *perSecond) add(now time.Time) {
	p.forget(now)
	p.counts[p.newest%seconds]++
}

func (p *perSecond) rate(now time.Time) float64 {
	p.forget(now)
	sum := 0
	for _, n := range p.counts {
		sum += n
	}
	return float64(sum) / seconds
}

// forget clears the counts of seconds that are over.
func (p *perSecond) forget(now time.Time) {
	second := now.Unix()
	for s := max(p.newest+1, second-seconds+1); s <= second; s++ {
		p.counts[s%seconds] = 0
	}
	p.newest = max(p.newest, second)
}
