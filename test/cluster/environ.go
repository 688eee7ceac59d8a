package cluster

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"strings"

	"troupe/services"
)

// environ returns the settings of the node: where it keeps its state, where it
// listens, and where it finds the other services.
func (n *node) environ() (environ []string) {
	c := n.cluster
	set := func(name, value string) { environ = append(environ, name+"="+value) }
	set("NOTIFICATIONS_MAILS_PER_HOUR", "0") // a few customers place hundreds of orders
	set("NOTIFICATIONS_PUSHES_PER_HOUR", "0")
	switch c.Kind {
	case InTest:
		set("TROUPE_DATA", c.Data)
	case OneProcess: // its arguments hold everything
		return append(environ, c.Settings...)
	case Distributed:
		set("DATABASE_URL", c.Server)
		set("AMQP_URL", c.AMQP)
	case ProcessPerService, FilePerService, Replicated:
		if c.Kind == FilePerService {
			set("TROUPE_DATA", c.folder(n.services[0]))
		}
		set("DATABASE_URL", c.Databases[n.services[0]])
		set("AMQP_URL", cmp.Or(c.Accounts[n.services[0]], c.AMQP))
		for _, service := range services.Names() {
			set(strings.ToUpper(service)+"_URL", "http://"+net.JoinHostPort(c.host(service), c.ports[service]))
		}
	}
	for _, service := range n.services {
		listen := c.address(service, n.replica)
		if c.Kind == InTest {
			listen = "127.0.0.1:0" // any port: it is never started again
		}
		set(strings.ToUpper(service)+"_LISTEN", listen)
	}
	return append(environ, c.Settings...)
}

// host returns the name by which a service's replicas are looked up.
func (c *Cluster) host(service string) string {
	// Processes resolve no names of this package's: they only look for the keys of users.
	if c.Kind != Replicated || c.Program != "" && service == "users" {
		return loopback(0)
	}
	return service + domain
}

// domain ends the names of services that have replicas.
const domain = ".replicas"

// lookup returns the addresses behind a name, as an orchestrator's DNS does: only
// those of replicas that are not about to stop.
func (c *Cluster) lookup(_ context.Context, name string) ([]string, error) {
	service, ours := strings.CutSuffix(name, domain)
	if !ours {
		return []string{name}, nil
	}
	var hosts []string
	for _, n := range c.nodes {
		if n.services[0] == service && n.runs() {
			hosts = append(hosts, loopback(n.replica))
		}
	}
	if len(hosts) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return hosts, nil
}

// address returns where a replica of a service listens.
func (c *Cluster) address(service string, replica int) string {
	return net.JoinHostPort(loopback(replica), c.ports[service])
}

// loopback returns the n-th address of the loopback interface, which on Linux has many.
func loopback(n int) string { return "127.0.0." + strconv.Itoa(1+n) }
