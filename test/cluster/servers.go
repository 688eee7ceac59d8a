package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"troupe/platform/sqldb"
)

// Servers are a PostgreSQL and a RabbitMQ that only one cluster uses, so that they
// can be stopped and killed. scripts/servers runs them.
type Servers struct {
	script         string
	environ        []string
	postgres, amqp int // ports
}

// StartServers starts them with their data in dir; given a command, such as start-postgres,
// it does that instead.
func StartServers(ctx context.Context, dir string, command ...string) (*Servers, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	const needed = 5 // one for PostgreSQL and four for RabbitMQ; see scripts/servers
	first, err := freeRow(needed)
	if err != nil {
		return nil, err
	}
	s := &Servers{script: filepath.Join(root, "scripts", "servers"), postgres: first, amqp: first + 1}
	s.environ = append(os.Environ(), "SERVERS_DIR="+filepath.Join(dir, "servers"),
		"SERVERS_POSTGRES_PORT="+strconv.Itoa(s.postgres), "SERVERS_AMQP_PORT="+strconv.Itoa(s.amqp))
	// Both servers refuse to run as root; the users that they run as must get into the folder.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil && !errors.Is(err, os.ErrPermission) {
			return nil, err
		}
	}
	if len(command) == 0 {
		command = []string{"start"}
	}
	return s, s.Do(ctx, command...)
}

// Do runs a command of scripts/servers, for example stop-rabbit or kill-postgres.
func (s *Servers) Do(ctx context.Context, command ...string) error {
	c := exec.CommandContext(ctx, s.script, command...)
	c.Env = s.environ
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("scripts/servers %s: %w: %s", strings.Join(command, " "), err, out)
	}
	return nil
}

// AMQP returns the URL of RabbitMQ.
func (s *Servers) AMQP() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.amqp) }

// DatabaseURL returns the URL of a database of PostgreSQL.
func (s *Servers) DatabaseURL(name string) string {
	return fmt.Sprintf("postgres://troupe:troupe@127.0.0.1:%d/%s?sslmode=disable", s.postgres, name)
}

// CreateDatabases creates one for each service and returns their URLs.
func (s *Servers) CreateDatabases(ctx context.Context) (map[string]string, error) {
	db, err := sqldb.Open(ctx, s.DatabaseURL("postgres"), sqldb.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	urls := map[string]string{}
	for _, service := range Backends() {
		if _, err := db.Exec(ctx, "CREATE DATABASE "+service); err != nil {
			return nil, fmt.Errorf("create the database of %s: %w", service, err)
		}
		urls[service] = s.DatabaseURL(service)
	}
	return urls, nil
}

// moduleRoot returns the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the source tree: it needs scripts/servers")
		}
		dir = filepath.Dir(dir)
	}
}
