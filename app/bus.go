package app

import (
	"context"
	"fmt"

	"troupe/patterns/bus"
	"troupe/patterns/bus/local"
	"troupe/platform/sqldb"
)

// connectedBus is a bus with a life.
type connectedBus interface {
	bus.Publisher
	bus.Subscriber
	Ready() error // why messages can not flow now, or nil
	Close() error
}

// connectBus chooses the bus: the one difference between the shapes besides the
// database.
func (s *System) connectBus(context.Context) error {
	topology := s.topology()
	databases := map[string]sqldb.DB{}
	for _, m := range s.members {
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

// topology is what the services say of the events; they all say the same.
func (s *System) topology() bus.Topology {
	for _, m := range s.members {
		if m.service.Topology != nil {
			return m.service.Topology
		}
	}
	return nil
}

// inProcess is the local bus, which is there as long as the process is.
type inProcess struct{ *local.Bus }

func (inProcess) Ready() error { return nil }
func (inProcess) Close() error { return nil }
