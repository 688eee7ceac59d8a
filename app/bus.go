package app

import (
	"context"
	"fmt"
	"strings"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/patterns/bus/rabbit"
	"troupe/platform/sqldb"
)

// connectedBus is a bus with a life.
type connectedBus interface {
	bus.Publisher
	bus.Subscriber
	Close() error
}

// connectBus chooses the bus: the one difference between the shapes besides the
// database.
func (s *System) connectBus(ctx context.Context) error {
	if s.settings.AMQPURL == "" {
		return s.connectLocalBus()
	}
	b, err := rabbit.Open(ctx, rabbit.Config{
		URL: s.settings.AMQPURL, Name: s.name(), Topology: s.topology(), Log: s.log.With("service", s.name()),
	})
	if err != nil {
		return err
	}
	s.bus = b
	return nil
}

func (s *System) connectLocalBus() error {
	topology := s.topology()
	databases := map[string]sqldb.DB{}
	for _, m := range s.services {
		if m.db != nil {
			databases[m.service.Name] = m.db
		}
	}
	for _, hearers := range topology {
		for _, service := range hearers {
			if databases[service] == nil {
				return fmt.Errorf("%s is not in this process, so events can not reach it: set AMQP_URL to a RabbitMQ server", service)
			}
		}
	}
	s.bus = inProcess{local.New(topology, databases, s.log)}
	return nil
}

// name is what to call this process: the names of its services.
func (s *System) name() string {
	var names []string
	for _, m := range s.services {
		names = append(names, m.service.Name)
	}
	return strings.Join(names, "+")
}

// topology is what the services say of the events; they all say the same.
func (s *System) topology() bus.Topology {
	for _, m := range s.services {
		if m.service.Topology != nil {
			return m.service.Topology
		}
	}
	return nil
}

// inProcess is the local bus, which is there as long as the process is.
type inProcess struct{ *local.Bus }

func (inProcess) Close() error { return nil }
