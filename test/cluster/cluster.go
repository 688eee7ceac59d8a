// Package cluster runs the whole system for tests, soaks and measurements, in
// every shape it can be deployed in: inside the test's own process, as one
// process, as a process per service, and as several replicas of each service.
// Every node can be stopped, killed and started again while the others go on;
// it then listens on the port that it had before.
package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/services"
	"troupe/test/invariants"
)

// Kind is the shape in which a cluster is deployed.
type Kind int

const (
	// InTest runs all services in this process on SQLite. It is one node.
	InTest Kind = iota
	// OneProcess is `troupe up`: all services in one process on SQLite.
	OneProcess
	// Distributed is `troupe up --distributed`, which runs a process for each
	// service on PostgreSQL and RabbitMQ and looks after them. It is one node.
	Distributed
	// ProcessPerService is a `troupe serve` for each service, on PostgreSQL and RabbitMQ.
	ProcessPerService
	// FilePerService is ProcessPerService on a SQLite file for each service.
	FilePerService
	// Replicated runs several replicas of each service on PostgreSQL and RabbitMQ,
	// as an orchestrator does. The one gateway is in this process.
	Replicated
)

// AllInOne is the name of the only node of InTest, OneProcess and Distributed.
const AllInOne = "troupe"

// The admin of every cluster.
const (
	AdminEmail    = "admin@troupe.local"
	AdminPassword = "a passphrase only for tests"
)

// Config describes a cluster.
type Config struct {
	Kind      Kind
	Program   string            // the built program; Replicated: "" runs the replicas in this process
	Replicas  int               // Replicated: how many of each service behind the gateway; 0 means 1
	Data      string            // InTest, OneProcess, FilePerService: the folder of the SQLite files; it outlives the processes
	Server    string            // Distributed: the PostgreSQL database beside which the program creates one for each service
	Databases map[string]string // ProcessPerService, Replicated: URLs by service
	AMQP      string            // URL of RabbitMQ
	Accounts  map[string]string // ProcessPerService, Replicated: URLs of RabbitMQ by service, in place of AMQP
	Settings  []string          // "NAME=value", beyond those of this process and those that the cluster needs
	Output    io.Writer         // of the nodes' logs
	Lacks     []string          // OneProcess, Distributed: services that the program, an older one, does not have
	// Listen opens the ports of the services that run in this process; nil: net.Listen.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// Cluster is the whole system as a set of nodes.
type Cluster struct {
	Config
	ports map[string]string // by service, the same on the addresses of all its replicas
	twins listeners         // they reserve the ports
	nodes []*node           // the gateway's first
}

// New returns a cluster whose ports are chosen and of which no node runs yet.
func New(c Config) (*Cluster, error) {
	c.Replicas = max(c.Replicas, 1)
	ports, twins, err := freePorts(c.Replicas)
	if err != nil {
		return nil, err
	}
	s := &Cluster{Config: c, ports: ports, twins: twins}
	switch c.Kind {
	case InTest, OneProcess, Distributed:
		s.nodes = []*node{{cluster: s, name: AllInOne, services: c.services()}}
	case ProcessPerService, FilePerService, Replicated:
		s.nodes = []*node{{cluster: s, name: gatewayName, services: []string{gatewayName}}}
		for _, service := range Backends() {
			for replica := range c.Replicas {
				s.nodes = append(s.nodes, &node{cluster: s, name: s.replicaName(service, replica), services: []string{service}, replica: replica})
			}
		}
	}
	return s, nil
}

// services returns the names of the services that the program has.
func (c Config) services() []string {
	return slices.DeleteFunc(services.Names(), func(service string) bool { return slices.Contains(c.Lacks, service) })
}

// replicaName is the service's own name unless it has several replicas: "orders", or "orders/1".
func (c *Cluster) replicaName(service string, replica int) string {
	if c.Replicas == 1 {
		return service
	}
	return service + "/" + strconv.Itoa(replica)
}

// Nodes returns the names of all nodes.
func (c *Cluster) Nodes() []string {
	var names []string
	for _, n := range c.nodes {
		names = append(names, n.name)
	}
	return names
}

// Start starts the named nodes that do not run and waits until they are ready;
// without names, all of them. The name of a service means all its replicas. The
// error is ErrEnded if a process ended before it was ready. ctx bounds only the start.
func (c *Cluster) Start(ctx context.Context, names ...string) error {
	front, behind := c.pick(names)
	if err := each(behind, func(n *node) error { return n.start(ctx) }); err != nil {
		return err
	}
	return each(front, func(n *node) error { return n.start(ctx) })
}

// StartWith starts one node, a process, with settings that only it has and only this time.
func (c *Cluster) StartWith(ctx context.Context, name string, settings ...string) error {
	return c.node(name).start(ctx, settings...)
}

// Stop asks the named nodes that run to drain, the gateway first, and waits until
// they have ended; without names, all of them. It fails if one does not end well.
func (c *Cluster) Stop(names ...string) error {
	front, behind := c.pick(names)
	err := each(front, (*node).stop)
	if behindErr := each(behind, (*node).stop); err == nil {
		err = behindErr
	}
	return err
}

// Kill ends a process as a power cut would: it finishes nothing.
func (c *Cluster) Kill(name string) error { return c.node(name).kill() }

// Ended returns a channel that is closed once a node's process has ended, until it
// is started again.
func (c *Cluster) Ended(name string) <-chan struct{} { return c.node(name).latest().ended }

// Exit returns how a node's process ended, once it has.
func (c *Cluster) Exit(name string) error { return c.node(name).latest().err }

// Killed reports whether a process that has ended was killed by SIGKILL, rather
// than ended by itself, by an error or by a panic.
func (c *Cluster) Killed(name string) bool { return c.node(name).latest().killed() }

// PID returns the id of a node's process.
func (c *Cluster) PID(name string) int { return c.node(name).latest().command.Process.Pid }

// URL returns where a service listens; if it has several replicas, the first one.
func (c *Cluster) URL(service string) string {
	if c.Kind == InTest {
		return c.nodes[0].system.URL(service)
	}
	return "http://" + c.address(service, 0)
}

// Database returns the URL of a service's database.
func (c *Cluster) Database(service string) string {
	switch c.Kind {
	case InTest, OneProcess:
		return "sqlite://" + filepath.Join(c.Data, service+".db")
	case FilePerService:
		return "sqlite://" + filepath.Join(c.folder(service), service+".db")
	case Distributed:
		u, err := url.Parse(c.Server)
		if err != nil {
			return c.Server // which the program refuses, with a better message
		}
		u.Path += "_" + service
		return u.String()
	case ProcessPerService, Replicated:
	}
	return c.Databases[service]
}

// folder returns the data folder of a service that has one of its own.
func (c *Cluster) folder(service string) string { return filepath.Join(c.Data, service) }

// OpenDatabases opens the databases of all services, to look at them from outside.
func (c *Cluster) OpenDatabases(ctx context.Context) (invariants.Databases, error) {
	all := invariants.Databases{}
	for _, service := range Backends() {
		db, err := sqldb.Open(ctx, c.Database(service), sqldb.Options{MaxConns: 1})
		if err != nil {
			return nil, fmt.Errorf("open the database of %s: %w", service, err)
		}
		all[service] = db
	}
	return all, nil
}

func (c *Cluster) node(name string) *node {
	for _, n := range c.nodes {
		if n.name == name {
			return n
		}
	}
	panic("this cluster has no node " + name + ", only " + strings.Join(c.Nodes(), ", "))
}

// pick returns the named nodes: the one with the gateway, and those behind it.
func (c *Cluster) pick(names []string) (front, behind []*node) {
	for _, n := range c.nodes {
		service, _, _ := strings.Cut(n.name, "/")
		picked := len(names) == 0
		for _, name := range names {
			picked = picked || name == n.name || name == service
		}
		switch {
		case picked && n.services[0] == gatewayName:
			front = append(front, n)
		case picked:
			behind = append(behind, n)
		}
	}
	return front, behind
}

// each does something to all the nodes at the same time.
func each(nodes []*node, do func(*node) error) error {
	var group errgroup.Group
	for _, n := range nodes {
		group.Go(func() error { return do(n) })
	}
	return group.Wait()
}
