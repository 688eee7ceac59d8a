package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"troupe/patterns/inbox"
)

// checkTopology returns an error if the handlers of a service are not those for the
// events that the topology delivers to it. The error names each difference and what to
// edit.
func checkTopology(s Service, handlers []inbox.Handler) error {
	var handled, differences []string
	for _, h := range handlers {
		if slices.Contains(handled, h.Type) {
			differences = append(differences, fmt.Sprintf("it has two handlers for %s: keep one", h.Type))
		}
		handled = append(handled, h.Type)
	}
	consumed := s.Consumes()
	for _, eventType := range handled {
		if !slices.Contains(consumed, eventType) {
			differences = append(differences, fmt.Sprintf("it has a handler for %s, which is not delivered to it: add %q to its consumers", eventType, s.Name))
		}
	}
	for _, eventType := range consumed {
		if !slices.Contains(handled, eventType) {
			differences = append(differences, fmt.Sprintf("it has no handler for %s: add one, or remove %q from its consumers", eventType, s.Name))
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%s does not match events/topology.go: %s", s.Name, strings.Join(differences, "; "))
}

// Consumes returns the types of the events that the topology delivers to the service,
// sorted.
func (s Service) Consumes() []string {
	var types []string
	for _, eventType := range slices.Sorted(maps.Keys(s.Topology)) {
		if slices.Contains(s.Topology[eventType], s.Name) {
			types = append(types, eventType)
		}
	}
	return types
}
