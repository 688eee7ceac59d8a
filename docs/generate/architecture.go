package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"troupe/services"
)

const (
	servicesBegin = "<!-- generated: services -->\n"
	servicesEnd   = "<!-- /generated -->\n"
)

var errNoMarkers = errors.New("the lines that enclose the table of services are missing: " +
	strings.TrimSpace(servicesBegin) + " and " + strings.TrimSpace(servicesEnd))

// architectureDocument returns ARCHITECTURE.md with a new table of services, made from
// the registry and the topology.
func architectureDocument() ([]byte, error) {
	kept, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		return nil, err
	}
	before, rest, found := bytes.Cut(kept, []byte(servicesBegin))
	_, after, closed := bytes.Cut(rest, []byte(servicesEnd))
	if !found || !closed {
		return nil, errNoMarkers
	}
	table, err := servicesTable()
	if err != nil {
		return nil, err
	}
	return slices.Concat(before, []byte(servicesBegin), table, []byte(servicesEnd), after), nil
}

func servicesTable() ([]byte, error) {
	docs, err := readEvents()
	if err != nil {
		return nil, err
	}
	published := map[string][]string{}
	for _, d := range docs {
		for _, publisher := range d.publishers {
			published[publisher] = append(published[publisher], d.eventType)
		}
	}
	var b bytes.Buffer
	b.WriteString("| service | port | owns | publishes | consumes |\n|---|---|---|---|---|\n")
	for _, s := range services.All {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", s.Name, s.Port, s.Owns, eventList(published[s.Name]), eventList(s.Consumes()))
	}
	return b.Bytes(), nil
}

// eventList returns event types without their major versions, grouped by their subject:
// "`order.cancelled`, `.created`".
func eventList(types []string) string {
	var cells, names []string
	subject := ""
	for _, t := range types {
		names = append(names, t[:strings.LastIndex(t, ".v")])
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, verb, _ := strings.Cut(name, ".")
		if before == subject {
			name = "." + verb
		}
		subject = before
		cells = append(cells, "`"+name+"`")
	}
	return strings.Join(cells, ", ")
}
