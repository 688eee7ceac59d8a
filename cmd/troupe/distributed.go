package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/app"
	"troupe/platform/ascii"
	"troupe/platform/sqldb"
	"troupe/services"
)

// runDistributed runs every service in a process of its own on the PostgreSQL and
// RabbitMQ of the settings, with one stream of logs, until ctx ends. A process that ends
// is restarted, but one that cannot start stops them all.
//
// The gateway starts first: it needs no database, so an error in the settings that all
// services share is reported at once, and only once. It also stops first, so that no
// request reaches a service that has stopped.
//
// SIGHUP is passed on to the services, which reload. A second signal that ends this process
// ends them at once too.
func runDistributed(ctx context.Context, environ map[string]string, admin *admin, signals *app.Signals) error {
	began := time.Now()
	if environ["DATABASE_URL"] == "" || environ["AMQP_URL"] == "" {
		return errors.New("--distributed needs servers: set DATABASE_URL=postgres://user:password@host/database and AMQP_URL=amqp://user:password@host/vhost")
	}
	if err := setPeerURLs(environ); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	running := &processes{}
	signals.BeforeExit(func() { running.signal(os.Kill) })
	ctx, stop := running.forwardHangups(ctx)
	defer stop()
	forget := func() {}
	defer func() { forget() }() // after all goroutines have ended
	group, front := errgroup.WithContext(ctx)
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx)) // the services behind the gateway
	defer stopBehind()
	gateway := running.add(newProcess(self, "gateway", environ, ""))
	group.Go(func() error {
		defer stopBehind()
		return gateway.keepRunning(front)
	})
	group.Go(func() error {
		if !waitUntilReady(front, gateway) {
			return nil
		}
		urls, err := createDatabases(front, environ["DATABASE_URL"])
		if err != nil {
			return err
		}
		var others []*process
		for _, name := range services.Names()[1:] {
			p := running.add(newProcess(self, name, environ, urls[name]))
			group.Go(func() error { return p.keepRunning(behind) })
			others = append(others, p)
		}
		if waitUntilReady(front, others...) {
			at, took := localURL(environ), time.Since(began)
			forget = keepAddresses(environ["TROUPE_DATA"], at)
			line, console := admin.bannerLine(front, at("gateway"))
			banner(os.Stdout, at, line, console, "PostgreSQL and RabbitMQ, a process for each service", took)
		}
		return nil
	})
	return group.Wait()
}

// setPeerURLs sets NAME_URL of every service to where it listens, unless NAME_URL is set
// already.
func setPeerURLs(environ map[string]string) error {
	for _, s := range services.All {
		variable := ascii.Upper(s.Name) + "_LISTEN"
		_, port, err := net.SplitHostPort(s.ListenAddress(environ))
		switch {
		case err != nil:
			return fmt.Errorf("%s is %q: it must be a host and a port, for example 127.0.0.1:9000", variable, environ[variable])
		case port == "0" || port == "":
			return fmt.Errorf("%s is %q: with --distributed the other services must know the port; choose one", variable, environ[variable])
		}
		if at := ascii.Upper(s.Name) + "_URL"; environ[at] == "" {
			environ[at] = localURL(environ)(s.Name)
		}
	}
	return nil
}

// localURL returns the base URL of a service by its name, as reached from this host. A
// service that listens on every interface is reached on the loopback.
func localURL(environ map[string]string) func(service string) string {
	return func(service string) string {
		listen := app.Named(services.All, service).ListenAddress(environ)
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return "http://" + listen // the service reports the error when it listens
		}
		switch host {
		case "", "0.0.0.0":
			host = "127.0.0.1"
		case "::":
			host = "::1"
		}
		return "http://" + net.JoinHostPort(host, port)
	}
}

// createDatabases creates a database for each service on the server if it is missing,
// named after the database of the URL (postgres://.../shop: shop_users, shop_orders),
// and returns their URLs by service.
func createDatabases(ctx context.Context, server string) (map[string]string, error) {
	db, err := sqldb.Open(ctx, server, sqldb.Options{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	urls := map[string]string{}
	for _, s := range services.All {
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
		return fmt.Errorf("create database %s; allow the user of DATABASE_URL to create databases, or create it yourself: %w", name, err)
	}
	return nil
}
