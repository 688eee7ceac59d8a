// Package app runs services: any list of them in one process. It reads the
// settings, opens a database for each service, connects the bus, serves HTTP,
// starts the workers, and shuts everything down gracefully, in order. No other
// package knows whether the system runs in one process or in many.
package app

import (
	"context"
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

// Service describes a service to the rest of the system.
type Service struct {
	Name string // "orders"
	Port int    // where it listens and is reached by default
	Owns string // the data it owns, for the documents: "accounts, sessions"
	// Migrations of its own tables, versions from 1001; nil if it has no database.
	Migrations fs.FS
	Topology   bus.Topology
	// Build wires the service. An error stops the start; its sentence should end in
	// what to do.
	Build func(Env) (Components, error)
}

// Env holds what app provides to a service.
type Env struct {
	DB          sqldb.DB       // nil if the service has no Migrations
	Outbox      *outbox.Outbox // nil if the service has no Migrations
	Verifier    *auth.Verifier
	Revocations *auth.Revocations // nil if the service has no Migrations
	Now         func() time.Time
	NewID       func() string               // UUIDv7
	After       func(time.Duration, func()) // calls the function later, from another goroutine, or at once
	Log         *slog.Logger
	Registry    *prometheus.Registry
	// Settings fills a struct with caarlos0/env tags. A bad value is an error
	// that names it.
	Settings func(into any) error
	// Peers are the base URLs of the services by name: "orders" ->
	// "http://127.0.0.1:8002".
	Peers map[string]string
	// Transport sends requests to them.
	Transport http.RoundTripper
	// Production refuses default secrets.
	Production bool
}

// Components are the parts of a service that app runs.
type Components struct {
	Routes      func(*httpapi.API)
	HTTPHandler http.Handler // serves instead of the API of Routes, if set (the gateway)
	Handlers    []inbox.Handler
	Workers     []worker.Worker
	// Verifier replaces Env.Verifier for the service's own API. The service that
	// issues the access tokens sets it, because it has the keys.
	Verifier *auth.Verifier
	// Drain finishes, at a stop, what the workers have begun: it is called after they
	// have ended and before the relays publish what is left. It may be nil.
	Drain func(context.Context) error
	// Close is called last when the service stops. It may be nil.
	Close func() error
}
