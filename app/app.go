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
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/audit"
	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/patterns/journal"
	"troupe/patterns/outbox"
	"troupe/patterns/republish"
	"troupe/patterns/worker"
	"troupe/platform/auth"
	"troupe/platform/chaos"
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
	// Publishes are the types of events that it publishes, and Schema returns the JSON Schema
	// of one; nil if it publishes none.
	Publishes []string
	Schema    func(eventType string) ([]byte, error)
	// ReadsJournals is whether it receives what the journals of all services record.
	ReadsJournals bool
	// ConfigFile describes the file that the service reads beside its settings; nil if
	// there is none.
	ConfigFile *ConfigFile
	// Build wires the service. An error stops the start; its sentence should end in
	// what to do.
	Build func(Env) (Components, error)
}

// ConfigFile describes a file with which an operator configures a service.
type ConfigFile struct {
	Default []byte // what the service uses without a file
	Schema  []byte // the JSON Schema of the file, for editors
	// Describe returns in lines for people what the file means. services are the names of
	// the services of the system. The error lists every mistake with its line.
	Describe func(file string, content []byte, services []string) (string, error)
}

// Env holds what app provides to a service.
type Env struct {
	DB          sqldb.DB       // nil if the service has no Migrations
	Outbox      *outbox.Outbox // nil if the service has no Migrations
	Verifier    *auth.Verifier
	Revocations *auth.Revocations // nil if the service has no Migrations
	Audit       *audit.Log        // nil if the service has no Migrations
	Now         func() time.Time
	NewID       func() string               // UUIDv7
	After       func(time.Duration, func()) // calls the function later, from another goroutine, or at once
	Log         *slog.Logger
	Journal     *journal.Recorder // records for the console; nil if that is switched off
	Registry    *prometheus.Registry
	// Settings fills a struct with caarlos0/env tags. A bad value is an error
	// that names it.
	Settings func(into any) error
	// Peers are the base URLs of the services by name: "orders" ->
	// "http://127.0.0.1:8002".
	Peers map[string]string
	// Transport sends requests to them.
	Transport http.RoundTripper
	// TransportKeeping returns a transport to a server that keeps its connections for another
	// time than the services do; 0: it has a connection for each request.
	TransportKeeping func(keepAlive time.Duration) http.RoundTripper
	// Lookup returns the addresses of the replicas behind a host; nil: by DNS.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Faults are those that the lab can cause; nil: there is no lab, as in production.
	Faults *chaos.Faults
	// Production refuses default secrets.
	Production bool
}

// Components are the parts of a service that app runs.
type Components struct {
	Routes      func(*httpapi.API)
	HTTPHandler http.Handler // serves instead of the API of Routes, if set (the gateway); it sets X-Forwarded-For itself
	// Proxies are the addresses of proxies, whose connections carry the requests of many
	// clients: the limit of connections per client does not apply to them.
	Proxies  []netip.Prefix
	Handlers []inbox.Handler
	// Pace is the shortest time between two batches of events, unless they are large, for a
	// service whose work is not urgent. 0 means that it handles events as they come.
	Pace time.Duration
	// Republishes are the data of the service that others keep copies of. It publishes them
	// again when an operator or a consumer asks for it.
	Republishes []republish.Source
	// Projections are what the service keeps of the data of others. It asks for those that it
	// has lost.
	Projections []republish.Projection
	Workers     []worker.Worker
	// KeepsAuditOf names services without a database, which send what admins do there to POST
	// /audit/{name} of this service. It keeps their audit logs beside its own.
	KeepsAuditOf []string
	// SessionRevoked is called in the transaction in which a session is revoked, so that what
	// the service keeps for the session ends with it. It may be nil.
	SessionRevoked func(ctx context.Context, tx sqldb.Tx, sessionID string) error
	// Verifier replaces Env.Verifier for the service's own API. The service that
	// issues the access tokens sets it, because it has the keys.
	Verifier *auth.Verifier
	// Journaled receives what the journals of all services record, if it is set. An error
	// means that it is lost.
	Journaled func(ctx context.Context, records []journal.Record) error
	// Middleware wraps the handler of Routes, if it is set.
	Middleware func(http.Handler) http.Handler
	// Reload reads again what the service has read from files, without an interruption. It
	// is called on SIGHUP. If it fails, the service goes on as before. It may be nil.
	Reload func(context.Context) error
	// Stopping is called when the service takes no further requests. It ends those that
	// have no end of their own, for which the server would wait. It may be nil.
	Stopping func()
	// Drain finishes, at a stop, what the workers have begun: it is called after they
	// have ended and before the relays publish what is left. It may be nil.
	Drain func(context.Context) error
	// Close is called last when the service stops. It may be nil.
	Close func() error
}
