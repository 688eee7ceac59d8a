package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"troupe/test/process"
)

const adminPassword = "only for measurements"

// system is the program under test, in a process of its own, or one for each service.
type system struct {
	*process.Troupe
	dir     string
	server  string // DATABASE_URL, if the services run apart
	startup time.Duration
}

// start builds the program and runs it on free ports, with a fresh data folder or
// on the servers given.
func start(ctx context.Context, o options) (*system, error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &system{dir: dir, Troupe: &process.Troupe{
		Binary: binary, Data: filepath.Join(dir, "data"), Env: []string{"ADMIN_PASSWORD=" + adminPassword},
	}}
	if o.database != "" {
		s.Apart, s.server = true, o.database
		s.Env = append(s.Env, "DATABASE_URL="+o.database, "AMQP_URL="+o.amqp)
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

// database is where a service keeps its state.
func (s *system) database(service string) (string, error) {
	if s.server == "" {
		return "sqlite://" + filepath.Join(s.Data, service+".db"), nil
	}
	u, err := url.Parse(s.server)
	if err != nil {
		return "", err
	}
	u.Path += "_" + service
	return u.String(), nil
}
