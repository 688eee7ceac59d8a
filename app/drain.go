package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// loops are goroutines that end together.
type loops struct {
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (l *loops) start(f func(ctx context.Context)) {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(context.Background())
	}
	l.wait.Go(func() { f(l.ctx) })
}

func (l *loops) stop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.wait.Wait()
}

// Stop drains: readiness falls, requests finish at one service after the other, consumers finish their batch
// or give it back, workers finish their step, relays say what is left to say,
// databases close. What could not finish in DRAIN_TIMEOUT is cut off, and done
// after the next start. Requests get three quarters of it, so that one that never
// ends leaves the loops time to finish theirs.
func (s *System) Stop() error {
	s.ready.Store(false)
	<-time.After(s.settings.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.DrainLimit)
	defer cancel()
	err := errors.Join(s.stopServing(ctx), s.stopLoops(ctx))
	return errors.Join(err, s.traces(ctx), s.close())
}

// stopServing has each service finish its requests before the next stops: those of
// the gateway, which comes first, need the others to be there.
func (s *System) stopServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.settings.DrainLimit*3/4)
	defer cancel()
	var errs []error
	for _, m := range s.services {
		if err := m.server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: requests cut off: %w", m.service.Name, errors.Join(err, m.server.Close())))
		}
	}
	s.listening.stop()
	return errors.Join(errs...)
}

func (s *System) stopLoops(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.consuming.stop()
		s.working.stop()
		s.flushRelays(ctx)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("loops cut off: a step did not end in time")
	}
}

// flushRelays says what is left to say; what a broker does not take now is said
// after the next start.
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

// close gives everything back, also after a start that went only half the way.
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
	s.listening.stop()
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
