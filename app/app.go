// Package app runs services: any list of them in one process. It reads the
// settings, opens a database for each, connects the bus, serves HTTP, starts
// the loops, and drains it all in order. Nothing else knows which shape the
// system runs in.
package app

import (
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/patterns/outbox"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// Service is a service as the rest of the system sees it.
type Service struct {
	Name string // "orders"
	Port int    // where it listens, and where others look for it, unless a setting says otherwise
	// Migrations of its own tables, versions from 1001; nil if it has no database.
	Migrations fs.FS
	Topology   bus.Topology
	// Build wires it. Errors stop the start; they should say what to do.
	Build func(Env) (Components, error)
}

// Env is what a service is given.
type Env struct {
	DB          sqldb.DB       // nil if the service has no Migrations
	Outbox      *outbox.Outbox // nil if the service has no Migrations
	Verifier    *auth.Verifier
	Revocations *auth.Revocations // nil if the service has no Migrations
	Now         func() time.Time
	NewID       func() string               // UUIDv7
	After       func(time.Duration, func()) // calls later, from another goroutine or at once
	Log         *slog.Logger
	Registry    *prometheus.Registry
	// Settings fills a struct with caarlos0/env tags. A bad value is an error
	// that names it.
	Settings func(into any) error
	// Peers are the base URLs of the services by name: "orders" ->
	// "http://127.0.0.1:8002".
	Peers map[string]string
	// Transport reaches them.
	Transport http.RoundTripper
	// Production refuses default secrets.
	Production bool
}

// Components is what a service consists of.
type Components struct {
	Routes      func(*httpapi.API)
	HTTPHandler http.Handler // instead of Routes' handler, if set (the gateway)
	Handlers    []inbox.Handler
	Workers     []worker.Worker
	// Verifier replaces Env.Verifier for its own API (users knows its keys).
	Verifier *auth.Verifier
	// Close is called last when the service stops. May be nil.
	Close func() error
}
