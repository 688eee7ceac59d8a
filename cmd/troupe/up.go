package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"troupe/app"
	"troupe/platform/ascii"
	"troupe/services"
)

type upCommand struct {
	Data        string         `default:".troupe" env:"TROUPE_DATA" type:"path" help:"Folder for the databases and the admin's password."`
	Ephemeral   bool           `help:"Use a temporary folder and remove it at the end."`
	Distributed bool           `help:"Run a process for each service on the servers of DATABASE_URL and AMQP_URL."`
	Port        map[string]int `placeholder:"SERVICE=PORT" help:"Listen elsewhere, for example --port gateway=9000 (0: any free port)."`
}

// Run runs the system until ctx ends.
func (c upCommand) Run(ctx context.Context, signals *app.Signals) error {
	environ := app.Environ(os.Environ())
	if err := c.refuseServers(environ); err != nil {
		return err
	}
	environ["LOG_LEVEL"] = cmp.Or(environ["LOG_LEVEL"], "warn")
	if err := c.applyPorts(environ); err != nil {
		return err
	}
	if c.Ephemeral {
		dir, err := os.MkdirTemp("", "troupe-")
		if err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		defer os.RemoveAll(dir)
		c.Data = dir
	}
	environ["TROUPE_DATA"] = c.Data
	admin := ensureAdmin(c.Data, environ)
	if c.Distributed {
		return runDistributed(ctx, environ, admin, signals)
	}
	return c.runInProcess(ctx, environ, admin)
}

// refuseServers returns an error if a server is set that this process would not use: what
// is stored in the data folder is not in the database that the operator named.
func (c upCommand) refuseServers(environ map[string]string) error {
	for _, name := range []string{"DATABASE_URL", "AMQP_URL"} {
		if environ[name] != "" && !c.Distributed {
			return fmt.Errorf("%s is set, but 'troupe up' runs everything in one process on SQLite files and would not use it: "+
				"add --distributed to run a process for each service on your servers, run one service by itself with 'troupe serve NAME', or unset %s", name, name)
		}
	}
	return nil
}

// runInProcess runs everything in this process, on SQLite.
func (c upCommand) runInProcess(ctx context.Context, environ map[string]string, admin *admin) error {
	began := time.Now()
	system, err := app.Start(ctx, app.Config{Services: services.All, Environ: environ, Version: app.Version, ReloadOnHangup: true})
	if errors.Is(err, app.ErrStoppedEarly) {
		return nil
	}
	if taken, ok := errors.AsType[*app.PortTakenError](err); ok {
		return fmt.Errorf("%w; use --port %s=PORT to listen elsewhere", err, taken.Service)
	}
	if err != nil {
		return err
	}
	data := c.Data
	if c.Ephemeral {
		data += "  (removed at the end)"
	}
	took := time.Since(began)
	defer keepAddresses(c.Data, system.URL)()
	line, console := admin.bannerLine(ctx, system.URL("gateway"))
	banner(os.Stdout, system.URL, line, console, data, took)
	return system.Run(ctx)
}

// applyPorts sets the services' settings as --port asks.
func (c upCommand) applyPorts(environ map[string]string) error {
	for name, port := range c.Port {
		if !slices.Contains(services.Names(), name) || port < 0 || port > 65535 {
			return fmt.Errorf("--port %s=%d: give one of %s and a port from 0 to 65535", name, port, strings.Join(services.Names(), ", "))
		}
		if port == 0 && c.Distributed {
			return fmt.Errorf("--port %s=0: with --distributed the other services must know the port; choose one", name)
		}
		environ[ascii.Upper(name)+"_LISTEN"] = "127.0.0.1:" + strconv.Itoa(port)
		delete(environ, ascii.Upper(name)+"_URL") // it names another port
	}
	return nil
}

const bannerText = `
  Troupe is ready, after %d ms. Ctrl-C stops it.

  console        %s
  gateway        %s  (all requests go here)
  API docs       %s/docs
  mailbox        %s/mailbox  (the mails it sends)

  services       %s
  admin          %s
  data           %s

  Try it:        curl -s %s/products
  Watch it:      %s
`

// banner prints the addresses of everything; at returns the address of a service.
func banner(out io.Writer, at func(service string) string, admin, console, data string, took time.Duration) {
	var others []string
	for _, name := range services.Names()[1:] {
		others = append(others, name+" "+at(name)[strings.LastIndex(at(name), ":"):])
	}
	demo := "go run ./cmd/troupe demo"
	if at("gateway") != defaultGateway {
		demo += " --url " + at("gateway")
	}
	fmt.Fprintf(out, bannerText, took.Milliseconds(), console, at("gateway"), at("gateway"), at("notifications"),
		strings.Join(others, "  "), admin, data, at("gateway"), demo)
}
