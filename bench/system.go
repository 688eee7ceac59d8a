package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"troupe/test/cluster"
)

// system is the program under test: one process, or one for each service.
type system struct {
	*cluster.Cluster
	servers *cluster.Servers // its own; nil: there are none, or they were given
	dir     string
	startup time.Duration
	raw     Raw
}

// withSystem starts the system on fresh databases and calls f, then ends it and removes
// what it has written, unless that is on given servers.
func withSystem(ctx context.Context, o options, c candidate, f func(*system) error) (err error) {
	s := &system{}
	if s.dir, err = os.MkdirTemp("", "troupe-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if err := s.configure(ctx, o, c); err != nil {
		return err
	}
	if s.servers != nil {
		defer s.servers.Do(context.WithoutCancel(ctx), "stop") //nolint:errcheck // their data is removed
	}
	if err := s.rawLimits(ctx); err != nil {
		return fmt.Errorf("raw limits: %w", err)
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	err = f(s)
	if c.profile != "" {
		s.endProfiles()
	}
	return errors.Join(err, s.Stop())
}

// endProfiles has the processes write their profiles, and waits for it: an idle one ends sooner
// than its profile is written when it is asked to stop.
func (s *system) endProfiles() {
	for pid, name := range s.processes() {
		if n, err := strconv.Atoi(pid); err == nil && !strings.HasPrefix(name, "(") {
			_ = syscall.Kill(n, syscall.SIGUSR1) // it may have ended
		}
	}
	time.Sleep(time.Second)
}

func (s *system) configure(ctx context.Context, o options, p candidate) (err error) {
	c := cluster.Config{
		Kind: cluster.OneProcess, Program: p.program, Lacks: p.lacks, Data: filepath.Join(s.dir, "data"), Settings: []string{
			"USERS_ADMIN_PASSWORD=" + cluster.AdminPassword, "USERS_REGISTRATIONS_PER_MINUTE=0", "ORDERS_MAX_UNDECIDED_PER_CUSTOMER=0",
			"GATEWAY_RATE_LIMITS=false", // all virtual users have one address
			"LOG_LEVEL=warn",
		},
	}
	c.Settings = append(c.Settings, p.settings...)
	if o.overload == 0 {
		c.Settings = append(c.Settings, "ORDERS_DEADLINE=24h", "ORDERS_ADMISSION_WAIT=1h", "ORDERS_ADMISSION_FIRST=1000000") // none is refused because too many wait
	}
	if p.profile != "" {
		if err := os.MkdirAll(p.profile, 0o700); err != nil {
			return err
		}
		c.Settings = append(c.Settings, "TROUPE_PROFILE="+p.profile)
	}
	if o.apart {
		c.Kind, c.Server, c.AMQP = cluster.Distributed, o.database, o.amqp
	}
	if o.apart && o.database == "" {
		logf("start PostgreSQL and RabbitMQ")
		if s.servers, err = cluster.StartServers(ctx, s.dir); err != nil {
			return err
		}
		c.Server, c.AMQP = s.servers.DatabaseURL("postgres"), s.servers.AMQP()
	}
	s.Cluster, err = cluster.New(c)
	return err
}

// start starts the program and measures how long that takes.
func (s *system) start(ctx context.Context) error {
	began := time.Now()
	err := s.Start(ctx)
	s.startup = time.Since(began)
	return err
}

// databases are the names of the services' databases on own servers.
func (s *system) databases() (names []string) {
	for _, service := range cluster.Backends() {
		if !slices.Contains(s.Lacks, service) {
			names = append(names, "postgres_"+service)
		}
	}
	return names
}
