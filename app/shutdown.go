package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"troupe/patterns/outbox"
)

const (
	// flushLimit is how long a stop may take to publish what is left in the outboxes.
	flushLimit = 5 * time.Second
	// closeLimit is how long a stop waits for the other end of a connection to close it.
	closeLimit = 3 * time.Second
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
	defer s.hangups.stop()
	s.endFaults()
	<-time.After(s.settings.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.DrainLimit)
	defer cancel()
	err := errors.Join(s.stopServing(ctx), s.stopWorkers(ctx))
	s.traces(ctx)
	return errors.Join(err, s.close())
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
	for _, m := range s.services {
		errs = append(errs, m.closeMetrics())
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
		s.flushJournal(ctx)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		unfinished := strings.Join(s.live.inStep(), ", ")
		return fmt.Errorf("workers cut off: a step did not end in time: %s", cmp.Or(unfinished, "of what follows the workers"))
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

// flushRelays publishes what is left in the outboxes, for at most flushLimit. What the
// broker does not accept now is published after the next start.
func (s *System) flushRelays(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	for _, m := range s.services {
		if m.instance.Env.Outbox == nil {
			continue
		}
		if err := flush(ctx, m.instance.Env.Outbox); err != nil {
			s.logOf(m).Warn("events are left in the outbox; they are published after the next start", "error", err)
		}
	}
}

func flush(ctx context.Context, o *outbox.Outbox) error {
	for {
		if n, err := o.Step(ctx); n == 0 || err != nil {
			return err
		}
	}
}

// close releases everything, also after a start that failed halfway.
func (s *System) close() error {
	var errs []error
	errs = append(errs, s.closeTogether(s.openComponents()))
	for _, m := range s.services {
		if m.server != nil {
			errs = append(errs, m.server.Close())
		} else if m.listener != nil {
			errs = append(errs, m.listener.Close())
		}
		errs = append(errs, m.closeMetrics())
	}
	s.servers.stop()
	if s.journals != nil {
		errs = append(errs, s.closeInTime("the broker of the journals", s.journals.Close))
	}
	if s.bus != nil {
		errs = append(errs, s.closeInTime("the broker", s.bus.Close))
	}
	errs = append(errs, s.closeTogether(s.connectedDatabases()))
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.transport.CloseIdleConnections()
	if s.logWriter != nil {
		s.logWriter.Close(logPatience) // what is not written by then is lost with the process
	}
	return errors.Join(errs...)
}

// openComponents returns what the services have to close themselves, by the service's name.
func (s *System) openComponents() map[string]func() error {
	open := map[string]func() error{}
	for _, m := range s.services {
		if m.instance != nil && m.instance.Components.Close != nil {
			open[m.service.Name] = m.instance.Components.Close
		}
	}
	return open
}

func (s *System) connectedDatabases() map[string]func() error {
	open := map[string]func() error{}
	for _, m := range s.services {
		if m.db != nil {
			open["the database of "+m.service.Name] = m.db.Close
		}
	}
	return open
}

// closeTogether closes all at the same time, so that several silent servers cost no more
// time than one.
func (s *System) closeTogether(open map[string]func() error) error {
	errs := make(chan error, len(open))
	for what, closing := range open {
		go func() { errs <- s.closeInTime(what, closing) }()
	}
	var all error
	for range open {
		all = errors.Join(all, <-errs)
	}
	return all
}

// closeInTime closes a connection to what, which may be silent, for at most closeLimit. All
// work is done or given back by then, so that nothing is lost with the connection.
func (s *System) closeInTime(what string, closing func() error) error {
	closed := make(chan error, 1)
	go func() { closed <- closing() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeLimit):
		s.log.Warn("the connection does not close; the process ends without that", "to", what, "waited", closeLimit.String())
		return nil
	}
}
