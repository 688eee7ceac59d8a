package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// goroutines are stopped together.
type goroutines struct {
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (l *goroutines) start(f func(ctx context.Context)) {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(context.Background())
	}
	l.wait.Go(func() { f(l.ctx) })
}

func (l *goroutines) stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.wait.Wait()
}

// Stop shuts the system down gracefully. In this order: readiness fails, requests
// finish at one service after the other, consumers finish their batch or return it,
// workers finish their step, services their begun work, relays publish what is left in
// the outboxes, databases close. Work that does not finish within DRAIN_TIMEOUT is cut off, and is done after
// the next start. Requests get three quarters of that time, so that a request that
// never ends leaves the workers time to finish.
func (s *System) Stop() error {
	s.ready.Store(false)
	<-time.After(s.settings.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.DrainLimit)
	defer cancel()
	err := errors.Join(s.stopServing(ctx), s.stopWorkers(ctx))
	return errors.Join(err, s.traces(ctx), s.close())
}

// stopServing lets each service finish its requests before the next one stops. The
// gateway comes first, because its requests need the other services.
func (s *System) stopServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.settings.DrainLimit*3/4)
	defer cancel()
	var errs []error
	for _, m := range s.services {
		if err := m.server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: requests cut off: %w", m.service.Name, errors.Join(err, m.server.Close())))
		}
	}
	s.servers.stop()
	return errors.Join(errs...)
}

func (s *System) stopWorkers(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.consumers.stop()
		s.workers.stop()
		s.drainServices(ctx)
		s.flushRelays(ctx)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("workers cut off: a step did not end in time")
	}
}

// drainServices lets the services finish what their workers have begun. A failure is
// only logged: the work is done after the next start.
func (s *System) drainServices(ctx context.Context) {
	for _, m := range s.services {
		if drain := m.instance.Components.Drain; drain != nil {
			if err := drain(ctx); err != nil {
				s.logOf(m).Warn("work that was begun is finished after the next start", "error", err)
			}
		}
	}
}

// flushRelays publishes what is left in the outboxes. What the broker does not accept
// now is published after the next start.
func (s *System) flushRelays(ctx context.Context) {
	for _, m := range s.services {
		if m.instance.Env.Outbox == nil {
			continue
		}
		for {
			if n, err := m.instance.Env.Outbox.Step(ctx); n == 0 || err != nil {
				break
			}
		}
	}
}

// close releases everything, also after a start that failed halfway.
func (s *System) close() error {
	var errs []error
	for _, m := range s.services {
		if m.instance != nil && m.instance.Components.Close != nil {
			errs = append(errs, m.instance.Components.Close())
		}
		if m.server != nil {
			errs = append(errs, m.server.Close())
		} else if m.listener != nil {
			errs = append(errs, m.listener.Close())
		}
	}
	s.servers.stop()
	if s.bus != nil {
		errs = append(errs, s.bus.Close())
	}
	for _, m := range s.services {
		if m.db != nil {
			errs = append(errs, m.db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.transport.CloseIdleConnections()
	return errors.Join(errs...)
}
