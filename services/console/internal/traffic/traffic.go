// Package traffic counts the records of the journals as they arrive, each for as many as it
// stands for: the rates between services of the last seconds, and the numbers of the last
// minutes. It keeps them in memory, and of a restart nothing is left.
package traffic

import (
	"maps"
	"sync"
	"time"

	"troupe/events"
	"troupe/patterns/journal"
	"troupe/platform/ascii"
)

const (
	seconds   = 10               // of which rates are the average
	interval  = 15 * time.Second // of a value of a series
	values    = 60               // of a series
	undecided = 10_000           // orders of which the decision is awaited, at most
)

// Traffic counts records. Its methods can be called from several goroutines.
type Traffic struct {
	now func() time.Time

	mu       sync.Mutex
	rates    map[Key]*window
	series   map[string]*series
	placed   map[string]time.Time // orders that are not decided yet
	lost     *series
	breakers map[Circuit]Moved
}

// Circuit is a circuit breaker of a service.
type Circuit struct{ Service, Dependency string }

// Moved is the last change of a circuit breaker.
type Moved struct {
	To string // CLOSED, OPEN or HALF_OPEN
	At time.Time
}

// Key is what a rate is about: the traffic of a kind between two services.
type Key struct{ From, To, Kind string }

// The kinds of traffic.
const (
	Published = "published" // events from a service to the bus
	Handled   = "handled"   // attempts by a service at events from the bus
	Failed    = "failed"    // attempts that are made again
	Dead      = "dead"      // attempts that were the last
	Requests  = "requests"  // to a service, nearly all of them from the gateway
)

// New returns a Traffic that has seen nothing.
func New(now func() time.Time) *Traffic {
	return &Traffic{
		now: now, rates: map[Key]*window{}, placed: map[string]time.Time{}, lost: &series{}, breakers: map[Circuit]Moved{},
		series: map[string]*series{"orders": {}, "failures": {}, "decision": {average: true}},
	}
}

// Observe counts records.
func (t *Traffic) Observe(records []journal.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, r := range records {
		switch {
		case r.Event != nil:
			t.count(now, Key{r.Service, "bus", Published}, r.Weight())
			t.follow(now, r)
		case r.Attempt != nil:
			t.attempt(now, r)
		case r.Kind == journal.Served && r.Service != "gateway":
			t.count(now, Key{"gateway", r.Service, Requests}, r.Weight())
		case r.Breaker != nil:
			t.breakers[Circuit{r.Service, r.Breaker.Dependency}] = Moved{ascii.Upper(r.Breaker.To), r.At}
		case r.Kind == journal.Dropped:
			t.lost.add(now, float64(max(r.Lost, 1)))
		}
	}
}

func (t *Traffic) attempt(now time.Time, r journal.Record) {
	t.count(now, Key{"bus", r.Service, Handled}, r.Weight())
	switch r.Attempt.Outcome {
	case journal.Retry:
		t.count(now, Key{"bus", r.Service, Failed}, 1)
	case journal.Dead:
		t.count(now, Key{"bus", r.Service, Dead}, 1)
	case journal.OK, journal.Duplicate:
		return
	}
	t.series["failures"].add(now, 1)
}

// follow counts what the event means for its order: that it was placed, or decided.
func (t *Traffic) follow(now time.Time, r journal.Record) {
	switch r.Event.Type {
	case events.OrderCreated{}.EventType():
		t.series["orders"].add(now, float64(r.Weight()))
		if len(t.placed) < undecided {
			t.placed[r.OrderID] = r.At
		}
	case events.OrderConfirmed{}.EventType(), events.OrderCancelled{}.EventType():
		if at, ok := t.placed[r.OrderID]; ok {
			delete(t.placed, r.OrderID)
			t.series["decision"].add(now, float64(r.At.Sub(at).Microseconds())/1000)
		}
	}
}

func (t *Traffic) count(now time.Time, k Key, n int) {
	w := t.rates[k]
	if w == nil {
		w = &window{}
		t.rates[k] = w
	}
	w.add(now, n)
}

// Rate returns how many there were per second in the last ten seconds.
func (t *Traffic) Rate(k Key) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.rates[k]; w != nil {
		return float64(w.sum(t.now())) / seconds
	}
	return 0
}

// Series returns the values of the last fifteen minutes: "orders" and "failures" per
// interval of 15 s, "decision" as the average in milliseconds.
func (t *Traffic) Series(name string) []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.series[name]; s != nil {
		return s.values(t.now())
	}
	return make([]float64, values)
}

// Set sets the newest value of a series that is measured and not counted.
func (t *Traffic) Set(name string, value float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.series[name]
	if s == nil {
		s = &series{}
		t.series[name] = s
	}
	s.set(t.now(), value)
}

// Lost returns how many records the journals had no room for in the last fifteen minutes.
func (t *Traffic) Lost() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.lost.values(t.now()) {
		n += int(v)
	}
	return n
}

// Open returns the circuit breakers that are not closed.
func (t *Traffic) Open() map[Circuit]Moved {
	t.mu.Lock()
	defer t.mu.Unlock()
	open := maps.Clone(t.breakers)
	maps.DeleteFunc(open, func(_ Circuit, m Moved) bool { return m.To == "CLOSED" })
	return open
}
