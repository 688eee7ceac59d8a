package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"troupe/platform/sqldb"
	"troupe/test/process"
)

// servers are a PostgreSQL and a RabbitMQ that nobody else uses.
type servers struct {
	script         string
	env            []string
	postgres, amqp int // ports
}

// startServers starts them in a folder of dir.
func startServers(ctx context.Context, dir string) (*servers, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	s := &servers{script: filepath.Join(root, "scripts", "servers")}
	const needed = 5 // one for PostgreSQL, and what scripts/servers has RabbitMQ take
	first, err := freeRow(needed)
	if err != nil {
		return nil, err
	}
	s.postgres, s.amqp = first, first+1
	s.env = append(os.Environ(), "SERVERS_DIR="+filepath.Join(dir, "servers"),
		"SERVERS_POSTGRES_PORT="+strconv.Itoa(s.postgres), "SERVERS_AMQP_PORT="+strconv.Itoa(s.amqp))
	// The servers run as users of their own.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	return s, s.command(ctx, "start")
}

func (s *servers) command(ctx context.Context, verb string) error {
	command := exec.CommandContext(ctx, s.script, verb)
	command.Env = s.env
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("scripts/servers %s: %w: %s", verb, err, out)
	}
	return nil
}

func (s *servers) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return s.command(ctx, "stop")
}

func (s *servers) amqpURL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.amqp) }

func (s *servers) databaseURL(name string) string {
	return fmt.Sprintf("postgres://troupe:troupe@127.0.0.1:%d/%s?sslmode=disable", s.postgres, name)
}

// databases makes one for each service, and gives their URLs.
func (s *servers) databases(ctx context.Context) (map[string]string, error) {
	db, err := sqldb.Open(ctx, s.databaseURL("postgres"), sqldb.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	urls := map[string]string{}
	for _, service := range process.Services[1:] {
		if _, err := db.Exec(ctx, "CREATE DATABASE "+service); err != nil {
			return nil, fmt.Errorf("make the database of %s: %w", service, err)
		}
		urls[service] = s.databaseURL(service)
	}
	return urls, nil
}

// moduleRoot is the folder of go.mod.
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

// freeRow finds ports in a row that are free, below those that the system gives
// to clients: they stay free while a server is down.
func freeRow(n int) (first int, err error) {
	for range 100 {
		first = 20000 + rand.IntN(12000)
		if err = allFree(first, n); err == nil {
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row: %w", n, err)
}

func allFree(first, n int) error {
	for port := first; port < first+n; port++ {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		defer listener.Close()
	}
	return nil
}
