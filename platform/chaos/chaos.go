// Package chaos has the switches with which the lab causes faults in a running service: a
// broker that is away, a consumer that is slow, a database that does not answer. Package app
// puts them between a service and what it runs on, so a service knows nothing of them.
//
// A switch that is off costs one atomic load. Each fault ends by itself, and none survives
// the process. In production there are no switches.
package chaos

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"troupe/platform/fault"
)

// Longest is how long a fault may last.
const Longest = 2 * time.Minute

// Switch turns one fault on and off. A nil Switch is always off.
type Switch struct {
	current atomic.Pointer[run]
}

// run is a fault from its start to its end.
type run struct {
	ends time.Time
	over chan struct{} // closed at the end
}

// On reports whether the fault is active.
func (s *Switch) On() bool { return s != nil && s.current.Load() != nil }

// AwaitOff waits until the fault is over or ctx ends.
func (s *Switch) AwaitOff(ctx context.Context) error {
	for {
		over := s.over()
		if over == nil {
			return ctx.Err()
		}
		select {
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Delay waits for d if the fault is active, and no longer than it is.
func (s *Switch) Delay(ctx context.Context, d time.Duration) error {
	over := s.over()
	if over == nil {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// over returns the channel that is closed at the end of the fault, nil if it is off.
func (s *Switch) over() <-chan struct{} {
	if s == nil {
		return nil
	}
	if r := s.current.Load(); r != nil {
		return r.over
	}
	return nil
}

// start begins the fault, in place of one that is active.
func (s *Switch) start(r *run) { s.end(s.current.Swap(r)) }

// stop ends r, if it is what is active.
func (s *Switch) stop(r *run) {
	if r != nil && s.current.CompareAndSwap(r, nil) {
		s.end(r)
	}
}

func (*Switch) end(r *run) {
	if r != nil {
		close(r.over)
	}
}

// Faults are the faults that can be caused in one service. A nil Faults has only switches
// that are always off.
type Faults struct {
	now   func() time.Time
	after func(time.Duration, func())

	mu       sync.Mutex
	switches map[string]*Switch
	titles   map[string]string
}

// New returns faults that end by themselves: after calls a function later.
func New(now func() time.Time, after func(time.Duration, func())) *Faults {
	return &Faults{now: now, after: after, switches: map[string]*Switch{}, titles: map[string]string{}}
}

// Switch returns the switch of the fault with a name and a title for people. It makes one
// if there is none.
func (f *Faults) Switch(name, title string) *Switch {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.switches[name] == nil {
		f.switches[name], f.titles[name] = &Switch{}, title
	}
	return f.switches[name]
}

// Fault is a fault that can be caused.
type Fault struct {
	Name   string
	Title  string
	EndsAt time.Time // zero if it is off
}

// List returns the faults, sorted by name.
func (f *Faults) List() []Fault {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, 0, len(f.switches))
	for name, s := range f.switches {
		fault := Fault{Name: name, Title: f.titles[name]}
		if r := s.current.Load(); r != nil {
			fault.EndsAt = r.ends
		}
		list = append(list, fault)
	}
	slices.SortFunc(list, func(a, b Fault) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Start causes a fault for a time, at most Longest. If it is active already, it ends after
// that time instead.
func (f *Faults) Start(name string, d time.Duration) (Fault, error) {
	s, title, err := f.find(name)
	if err != nil {
		return Fault{}, err
	}
	d = min(d, Longest)
	r := &run{ends: f.now().Add(d), over: make(chan struct{})}
	s.start(r)
	f.after(d, func() { s.stop(r) })
	return Fault{Name: name, Title: title, EndsAt: r.ends}, nil
}

// Stop ends a fault.
func (f *Faults) Stop(name string) error {
	s, _, err := f.find(name)
	if err == nil {
		s.stop(s.current.Load())
	}
	return err
}

// StopAll ends all faults.
func (f *Faults) StopAll() {
	for _, fault := range f.List() {
		_ = f.Stop(fault.Name) // it is there: no switch is ever removed
	}
}

// Check returns an error if there is no fault of that name.
func (f *Faults) Check(name string) error {
	_, _, err := f.find(name)
	return err
}

func (f *Faults) find(name string) (*Switch, string, error) {
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if s := f.switches[name]; s != nil {
			return s, f.titles[name], nil
		}
	}
	return nil, "", fault.Missing("fault", name, "GET /lab/faults lists those of this service")
}
