package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"troupe/patterns/bus"
)

// OpenPublisher returns the bus of a system for a program that only publishes:
// RabbitMQ if AMQP_URL is set, else the queues in the SQLite files of TROUPE_DATA,
// which the running system shares with it. The system must have run there before.
func OpenPublisher(ctx context.Context, all []Service, environ map[string]string, log *slog.Logger) (_ bus.Publisher, closeAll func(), err error) {
	s := &System{log: log}
	if s.settings, err = readSettings(environ, log); err != nil {
		return nil, nil, err
	}
	for _, service := range all {
		s.services = append(s.services, &runningService{service: service})
	}
	if s.settings.AMQPURL == "" {
		if err := s.openExistingDatabases(ctx); err != nil {
			return nil, nil, errors.Join(err, s.closeTogether(s.connectedDatabases()))
		}
	}
	if err := s.connectBus(ctx); err != nil {
		return nil, nil, errors.Join(err, s.closeTogether(s.connectedDatabases()))
	}
	return s.bus, func() {
		if err := errors.Join(s.bus.Close(), s.closeTogether(s.connectedDatabases())); err != nil {
			log.Warn("close the bus", "error", err)
		}
	}, nil
}

// openExistingDatabases opens the SQLite files of a system, and makes none.
func (s *System) openExistingDatabases(ctx context.Context) error {
	for _, m := range s.services {
		if !hasDatabase(m) {
			continue
		}
		if _, err := os.Stat(s.databaseFile(m.service.Name)); err != nil {
			return fmt.Errorf("no system has run in %s: start it first with 'troupe up', name its folder, or set AMQP_URL: %w", s.settings.DataDir, err)
		}
	}
	return s.eachDatabase(ctx, s.open)
}
