package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"troupe/test/cluster"
)

// system is the program under test: one process, or one for each service.
type system struct {
	*cluster.Cluster
	dir     string
	startup time.Duration
}

// start builds the program and runs it on free ports, with a fresh data folder or
// on the given servers.
func start(ctx context.Context, o options) (*system, error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	c := cluster.Config{
		Kind: cluster.OneProcess, Data: filepath.Join(dir, "data"), Settings: []string{"USERS_ADMIN_PASSWORD=" + cluster.AdminPassword},
	}
	if c.Program, err = cluster.Build(ctx, dir); err != nil {
		return nil, err
	}
	if o.database != "" {
		c.Kind, c.Server, c.AMQP = cluster.Distributed, o.database, o.amqp
	}
	s := &system{dir: dir}
	if s.Cluster, err = cluster.New(c); err != nil {
		return nil, err
	}
	began := time.Now()
	err = s.Start(ctx)
	s.startup = time.Since(began)
	return s, err
}

func (s *system) end() {
	_ = s.Stop() // how it ends does not change what was measured
	_ = os.RemoveAll(s.dir)
}
