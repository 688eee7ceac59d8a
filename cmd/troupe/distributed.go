package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"troupe/platform/sqldb"
)

// runApart runs every service in a process of its own on the PostgreSQL and
// RabbitMQ of the settings, with one stream of logs, until ctx ends. A process
// that dies is started again.
func runApart(ctx context.Context, environ map[string]string) error {
	began := time.Now()
	if environ["DATABASE_URL"] == "" || environ["AMQP_URL"] == "" {
		return errors.New("--distributed needs servers: set DATABASE_URL=postgres://user:password@host/database and AMQP_URL=amqp://user:password@host/vhost")
	}
	urls, err := databases(ctx, environ["DATABASE_URL"])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx)) // the services behind the gateway
	defer stopBehind()
	var processes sync.WaitGroup
	for _, name := range names() {
		own := maps.Clone(environ)
		own["DATABASE_URL"] = urls[name]
		p := process{name: name, command: []string{self, "serve", "--with-stdin", name}, environ: own}
		if name != "gateway" {
			processes.Go(func() { p.keepRunning(behind) })
			continue
		}
		processes.Go(func() {
			p.keepRunning(ctx)
			stopBehind() // only now, so that no request meets a service that is gone
		})
	}
	if err := allReady(ctx, environ); err == nil {
		banner(os.Stdout, address(environ), environ, "PostgreSQL and RabbitMQ, a process for each service", time.Since(began))
	}
	processes.Wait()
	return nil
}

// databases gives each service a database of its own on the server, named after
// the one of the URL (postgres://.../shop: shop_users, shop_orders), and makes it
// if it is missing.
func databases(ctx context.Context, server string) (map[string]string, error) {
	db, err := sqldb.Open(ctx, server, sqldb.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	urls := map[string]string{}
	for _, s := range everything {
		if s.Migrations == nil {
			continue
		}
		u, err := url.Parse(server)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_URL: %w", err)
		}
		name := strings.TrimPrefix(u.Path, "/") + "_" + s.Name
		u.Path = "/" + name
		urls[s.Name] = u.String()
		if err := createDatabase(ctx, db, name); err != nil {
			return nil, err
		}
	}
	return urls, nil
}

func createDatabase(ctx context.Context, db sqldb.DB, name string) error {
	var n int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&n); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if n == 1 {
		return nil
	}
	if _, err := db.Exec(ctx, `CREATE DATABASE "`+strings.ReplaceAll(name, `"`, `""`)+`"`); err != nil {
		return fmt.Errorf("make database %s; let the user of DATABASE_URL create databases, or make it yourself: %w", name, err)
	}
	return nil
}

// process is one service's.
type process struct {
	name    string
	command []string
	environ map[string]string
}

// restartAfter keeps a service that can not start from keeping the machine busy.
const restartAfter = time.Second

func (p process) keepRunning(ctx context.Context) {
	for {
		err := p.run(ctx)
		if ctx.Err() != nil {
			return
		}
		fmt.Fprintf(os.Stderr, "%s ended (%v); starting it again\n", p.name, err)
		select {
		case <-time.After(restartAfter):
		case <-ctx.Done():
			return
		}
	}
}

// run runs it until ctx ends, and then lets it drain.
func (p process) run(ctx context.Context) error {
	command := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // this very program
	for _, name := range slices.Sorted(maps.Keys(p.environ)) {
		command.Env = append(command.Env, name+"="+p.environ[name])
	}
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The pipe ends when this process does, even by kill -9, and the service with it.
	if _, err := command.StdinPipe(); err != nil {
		return err
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	command.SysProcAttr = ownGroup()
	return command.Run()
}

// allReady waits until every service is ready.
func allReady(ctx context.Context, environ map[string]string) error {
	at := address(environ)
	for _, name := range names() {
		for !ready(ctx, at(name)) {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func ready(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
