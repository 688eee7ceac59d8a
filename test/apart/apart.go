// Package apart runs the system as it runs in production: each service by
// itself, in replicas, on PostgreSQL and RabbitMQ. Every replica can be stopped
// and started, or killed, while the others go on.
package apart

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/invariants"
)

// Behind are the services behind the gateway.
var Behind = []string{"users", "orders", "notifications", "inventory", "payments"}

// The admin of every system.
const (
	AdminEmail    = "admin@troupe.local"
	AdminPassword = "a passphrase only for tests"
)

// patience bounds how long a system may take to come to rest, on a machine that is busy.
const patience = 2 * time.Minute

// Config of a System.
type Config struct {
	Replicas  int               // of each service behind the gateway; 0 means 1
	Databases map[string]string // URLs by service; nil: fresh ones on the tests' server
	AMQP      string            // URL; "": a fresh virtual host on the tests' server
	Program   string            // `troupe`, to run each of those replicas in a process; "": in this one
	Output    io.Writer         // of their logs; nil: the test's
	// Listen opens the ports of those that run in this process; nil: of this machine.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// System is a running system. It fails its test if anything goes wrong with it.
type System struct {
	Config
	t        testing.TB
	ports    map[string]string // of each service, on the addresses of all its replicas
	mu       sync.Mutex
	replicas map[replica]running
}

// turns keep the systems that run at one time few: each is many services.
var turns = make(chan struct{}, 2)

// Start starts a system with so many replicas of each service and stops it when
// the test ends. Without servers the test is skipped, or fails if CI=true.
func Start(t testing.TB, replicas int) *System {
	t.Helper()
	return StartWith(t, Config{Replicas: replicas})
}

// StartWith starts a system.
func StartWith(t testing.TB, c Config) *System {
	t.Helper()
	s := &System{Config: c, t: t, replicas: map[replica]running{}}
	s.Replicas = max(s.Replicas, 1)
	if s.Output == nil {
		s.Output = t.Output()
	}
	if s.AMQP == "" {
		s.AMQP = rabbittest.URL(t)
	}
	if s.Databases == nil {
		s.Databases = databases(t)
	}
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
	var err error
	s.ports, err = freePorts(s.Replicas)
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Stop("gateway")
		s.Stop(Behind...)
	})
	s.Start(Behind...)
	s.Start("gateway")
	return s
}

// databases makes one for each service.
func databases(t testing.TB) map[string]string {
	t.Helper()
	urls := map[string]string{}
	for _, service := range Behind {
		url, there := sqldbtest.URLs(t)["postgres"]
		if !there {
			t.Skipf("%s is not set: the services apart are left out", sqldbtest.Variable)
		}
		urls[service] = url
	}
	return urls
}

// URL is where a service listens; if it has several replicas, the first.
func (s *System) URL(service string) string { return "http://" + s.address(replica{service, 0}) }

// Start starts all replicas of services that do not run.
func (s *System) Start(services ...string) {
	s.t.Helper()
	require.NoError(s.t, s.each(services, s.start))
}

// Stop stops all replicas of services that run.
func (s *System) Stop(services ...string) {
	s.t.Helper()
	require.NoError(s.t, s.each(services, s.stop))
}

// StartReplica starts one replica, counted from 0.
func (s *System) StartReplica(service string, n int) {
	s.t.Helper()
	require.NoError(s.t, s.start(replica{service, n}))
}

// StopReplica has one drain and end.
func (s *System) StopReplica(service string, n int) {
	s.t.Helper()
	require.NoError(s.t, s.stop(replica{service, n}))
}

// KillReplica ends one as a power cut would. It must be a process.
func (s *System) KillReplica(service string, n int) {
	s.t.Helper()
	p, ok := s.take(replica{service, n}).(*process)
	require.True(s.t, ok, "only processes can be killed")
	require.NoError(s.t, p.kill())
}

// each does something to all replicas of services, side by side.
func (s *System) each(services []string, do func(replica) error) error {
	var group errgroup.Group
	for _, service := range services {
		for n := range s.Replicas {
			group.Go(func() error { return do(replica{service, n}) })
		}
	}
	return group.Wait()
}

// ComesToRest waits until nothing is left to do, and demands that all accounts
// agree and everybody was told. What somebody who died was in the middle of need
// not wait until his lease runs out.
func (s *System) ComesToRest() {
	s.t.Helper()
	state := invariants.Databases{}
	for service, url := range s.Databases {
		db, err := sqldb.Open(s.t.Context(), url, sqldb.Options{MaxConns: 1})
		require.NoError(s.t, err)
		defer func() { require.NoError(s.t, db.Close()) }()
		state[service] = db
	}
	require.NoError(s.t, atRest(s.t.Context(), state))
}

func atRest(ctx context.Context, state invariants.Databases) (wrong error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := errors.Join(invariants.Quiet(ctx, state), invariants.Told(ctx, state))
		if err == nil {
			return nil
		}
		if err = errors.Join(err, invariants.LeasesRunOut(ctx, state)); ctx.Err() == nil {
			wrong = err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return wrong
		}
	}
}
