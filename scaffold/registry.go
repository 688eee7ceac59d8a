package scaffold

import (
	"fmt"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	registryFile = "services/services.go"
	topologyFile = "events/topology.go"
	routesFile   = "services/gateway/internal/config/default.yaml"
)

var (
	registered  = regexp.MustCompile(`\b([a-z]\w*)\.Service\b`)
	portField   = regexp.MustCompile(`\bPort:\s+(\d+),`)
	serviceName = regexp.MustCompile(`^[a-z][a-z0-9]{1,19}$`)
)

// services returns the names of all services, in the order of the registry.
func (t *Tree) services() ([]string, error) {
	text, err := t.read(registryFile)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range registered.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "app" && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names, nil
}

// port returns the port of a service.
func (t *Tree) port(service string) (int, error) {
	names, err := t.list("services/" + service)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		text, err := t.read(name)
		if err != nil {
			return 0, err
		}
		if m := portField.FindSubmatch(text); m != nil {
			return strconv.Atoi(string(m[1]))
		}
	}
	return 0, fmt.Errorf("services/%s has no line \"Port: NUMBER,\"", service)
}

// freePort returns the port after the highest of all services.
func (t *Tree) freePort(services []string) (int, error) {
	highest := 0
	for _, name := range services {
		port, err := t.port(name)
		if err != nil {
			return 0, err
		}
		highest = max(highest, port)
	}
	return highest + 1, nil
}

// checkName returns an error if a service cannot have this name, which is that of its
// package, program, database and queue.
func checkName(name string, taken []string) error {
	switch {
	case !serviceName.MatchString(name):
		return fmt.Errorf("%q cannot be the name of a service: use 2 to 20 lower-case letters and digits, for example loyalty", name)
	case slices.Contains(taken, name):
		return fmt.Errorf("there is a service %s already: choose another name", name)
	case token.IsKeyword(name) || slices.Contains(reservedNames, name):
		return fmt.Errorf("%q has a meaning of its own in the code or in compose.yaml: choose another name", name)
	}
	return nil
}

// reservedNames are packages that a service imports, other programs, and the servers and
// networks of compose.yaml.
var reservedNames = []string{
	"app", "auth", "context", "embed", "errors", "event", "events", "fault", "fmt", "httpapi", "inbox", "service", "services", "servicetest",
	"sqldb", "store", "testing", "time", "timestamp", "require",
	"troupe", "simulate", "postgres", "rabbitmq", "mailpit", "jaeger", "outside", "consoles", "servers", "settings", "network",
}

// register enters a service in the registry, after the last one.
func (t *Tree) register(name, last string) error {
	return t.edit(registryFile, func(text string) string {
		text = strings.Replace(text, "\t\""+t.module+"/services/"+last+"\"\n",
			"\t\""+t.module+"/services/"+last+"\"\n\t\""+t.module+"/services/"+name+"\"\n", 1)
		at := strings.LastIndex(text, last+".Service")
		end := at + len(last+".Service")
		return text[:end] + ", " + name + ".Service" + text[end:]
	})
}
