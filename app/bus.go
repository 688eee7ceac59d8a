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

// connectedBus is a bus that can be closed.
type connectedBus interface {
	bus.Publisher
	bus.Subscriber
	// Impaired returns why events cannot be published or consumed now, "" if they can.
	Impaired() string
	// Waiting returns how many messages for a service are not acknowledged.
	Waiting(ctx context.Context, service string) (int, error)
	Close() error
}

// connectBus connects to RabbitMQ, or makes the local bus if AMQP_URL is empty. The
// bus and the database are all that differs between one process and many.
func (s *System) connectBus(ctx context.Context) error {
	if s.settings.AMQPURL == "" {
		return s.connectLocalBus()
	}
	b, err := rabbit.Open(ctx, rabbit.Config{
		URL: s.settings.AMQPURL, Name: s.name(), Topology: s.topology(), Log: s.log.With("service", s.name()),
		RefuseOtherQueues: s.settings.Environment == "production",
		EventsPerMessage:  s.settings.EventsPerMessage,
		Public:            s.settings.EventsPublic,
	})
	if err != nil {
		return err
	}
	s.bus = b
	return nil
}

// registerBusMetrics registers the metrics of the bus with those of the first service: all
// services of a process share one bus.
func (s *System) registerBusMetrics() {
	for _, m := range s.services {
		registerBusState(m.instance.Env.Registry, s.bus)
		if len(m.service.Consumes()) > 0 {
			m.instance.Env.Registry.MustRegister(queueLength{s.bus, m.service.Name})
		}
	}
	if b, ok := s.bus.(*rabbit.Bus); ok && len(s.services) > 0 {
		b.RegisterMetrics(s.services[0].instance.Env.Registry)
	}
}

func (s *System) connectLocalBus() error {
	topology := s.topology()
	databases := map[string]sqldb.DB{}
	for _, m := range s.services {
		if m.db != nil {
			databases[m.service.Name] = m.db
		}
	}
	for _, consumers := range topology {
		for _, service := range consumers {
			if databases[service] == nil {
				return fmt.Errorf("%s does not run in this process, so events cannot reach it: set AMQP_URL to a RabbitMQ server", service)
			}
		}
	}
	s.bus = inProcess{local.New(topology, databases, s.log)}
	return nil
}

// name returns the name of this process: those of its services, joined.
func (s *System) name() string {
	var names []string
	for _, m := range s.services {
		names = append(names, m.service.Name)
	}
	return strings.Join(names, "+")
}

// topology returns the topology, which is the same for every service.
func (s *System) topology() bus.Topology {
	for _, m := range s.services {
		if m.service.Topology != nil {
			return m.service.Topology
		}
	}
	return nil
}

// inProcess is the local bus. It needs no closing: it lives as long as the process.
type inProcess struct{ *local.Bus }

func (inProcess) Close() error { return nil }

func (inProcess) Impaired() string { return "" }
