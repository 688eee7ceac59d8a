package bus

import (
	"fmt"
	"maps"
	"slices"
)

// Topology lists for every event type the services that consume it. A type with an
// empty list is published without any consumer; a type that is not listed is
// rejected.
type Topology map[string][]string

// Consumers returns every service that consumes anything, once and sorted.
func (t Topology) Consumers() []string {
	all := slices.Concat(slices.Collect(maps.Values(t))...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Route returns the services that consume the message. It fails with ErrUnknownType
// if the type is not listed, and with ErrUnroutable if one of the services has no
// queue, as hasQueue reports.
func (t Topology) Route(m Message, hasQueue func(service string) bool) ([]string, error) {
	services, known := t[m.Type]
	if !known {
		return nil, fmt.Errorf("%q: %w", m.Type, ErrUnknownType)
	}
	for _, service := range services {
		if !hasQueue(service) {
			return nil, fmt.Errorf("%q for %s: %w", m.Type, service, ErrUnroutable)
		}
	}
	return services, nil
}
