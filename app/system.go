package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
	"troupe/platform/telemetry"
)

// Config is what Start runs, and how.
type Config struct {
	Services []Service         // those to run; a service that calls others comes before them, because they stop in this order
	All      []Service         // every service of the system, for the addresses of those that run elsewhere; nil: Services
	Environ  map[string]string // the settings, those of the services included
	Version  string
	Log      *slog.Logger // nil: standard error, in the format and level of the settings
	// Lookup returns the addresses of the replicas behind the host of a NAME_URL; nil: by DNS.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Listen opens a listener; nil: net.ListenConfig's.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// System is a running list of services.
type System struct {
	settings  Settings
	log       *slog.Logger
	transport *transport
	ready     atomic.Bool
	services  []*runningService
	bus       connectedBus
	traces    func(context.Context) error // exports the remaining spans
	lock      *os.File                    // nil if the databases are not SQLite files
	failed    chan error

	servers, consumers, workers goroutines
}

// runningService is a service with everything that it runs on.
type runningService struct {
	service  Service
	instance *Instance
	listener net.Listener
	startup  *startupHandler
	server   *http.Server // serves startup
	db       sqldb.DB
}

// Start starts everything and returns when the system is ready for requests. The error
// of a start that cannot succeed says what to do. ctx limits the start alone.
func Start(ctx context.Context, c Config) (*System, error) {
	settings, err := readSettings(c.Environ, cmp.Or(c.Log, slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = telemetry.Logger(os.Stderr, settings.LogLevel, settings.LogFormat)
	}
	if c.Listen == nil {
		c.Listen = (&net.ListenConfig{}).Listen
	}
	s := &System{settings: settings, log: c.Log, transport: newTransport(c.Lookup), failed: make(chan error, 1)}
	for _, service := range c.Services {
		s.services = append(s.services, &runningService{service: service})
	}
	if err := s.start(ctx, c); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context, c Config) error {
	shutdown, err := telemetry.Start(ctx, "troupe", c.Version, func(name string) string { return c.Environ[name] })
	if err != nil {
		return err
	}
	s.traces = shutdown
	steps := []func() error{
		func() error { return s.bind(ctx, c) },
		func() error { s.serveStartup(); return nil },
		func() error { return s.openDatabases(ctx) },
		func() error { return s.connectBus(ctx) },
		func() error { return s.wire(ctx, c) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	s.run()
	s.ready.Store(true)
	return nil
}

// bind opens all ports before it changes anything else, so that a second start by
// mistake has no effect.
func (s *System) bind(ctx context.Context, c Config) error {
	for _, m := range s.services {
		address := m.service.ListenAddress(c.Environ)
		listener, err := c.Listen(ctx, "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return &PortTakenError{Service: m.service.Name, Address: address}
		}
		if err != nil {
			return fmt.Errorf("%s cannot listen on %s: %w", m.service.Name, address, err)
		}
		m.listener = listener
	}
	return nil
}

// PortTakenError reports a port that another program listens on.
type PortTakenError struct{ Service, Address string }

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("%s cannot listen on %s: another program does", e.Service, e.Address)
}

// serveStartup serves every port, if only to report that its service is still starting.
func (s *System) serveStartup() {
	for _, m := range s.services {
		m.startup = newStartupHandler()
		m.server = &http.Server{
			Handler:           m.startup,
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       75 * time.Second,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(s.logOf(m).Handler(), slog.LevelDebug),
		}
		s.servers.start(func(context.Context) { s.serve(m) })
	}
}

// logOf returns the log of a service, which names the service.
func (s *System) logOf(m *runningService) *slog.Logger { return s.log.With("service", m.service.Name) }

func (s *System) openDatabases(ctx context.Context) error {
	if s.settings.DatabaseURL == "" && slices.ContainsFunc(s.services, hasDatabase) {
		if err := os.MkdirAll(s.settings.DataDir, 0o700); err != nil {
			return fmt.Errorf("cannot make the data folder; set TROUPE_DATA to a folder that can be written to: %w", err)
		}
		var err error
		if s.lock, err = lockData(s.settings.DataDir); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range s.services {
		if !hasDatabase(m) {
			continue
		}
		group.Go(func() (err error) {
			if m.db, err = sqldb.Open(ctx, s.databaseURL(m.service.Name), sqldb.Options{Log: s.logOf(m)}); err != nil {
				return fmt.Errorf("%s: %w", m.service.Name, err)
			}
			if err := sqldb.Migrate(ctx, m.db, Migrations(m.service)...); err != nil {
				return fmt.Errorf("%s: %w", m.service.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func hasDatabase(m *runningService) bool { return m.service.Migrations != nil }

func (s *System) databaseURL(service string) string {
	if s.settings.DatabaseURL != "" {
		return s.settings.DatabaseURL
	}
	return "sqlite://" + filepath.ToSlash(filepath.Join(absolute(s.settings.DataDir), service+".db"))
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func (s *System) wire(ctx context.Context, c Config) error {
	all := c.All
	if all == nil {
		all = c.Services
	}
	urls := peers(all, c.Environ)
	for _, m := range s.services {
		urls[m.service.Name] = "http://" + m.listener.Addr().String()
	}
	for _, m := range s.services {
		var err error
		m.instance, err = NewInstance(m.service, Dependencies{
			Environ: c.Environ, Version: c.Version, DB: m.db, Publisher: s.bus, Peers: urls, Transport: s.transport,
			Now: now, NewID: newID, Log: s.logOf(m), Ready: s.readiness,
		})
		if err != nil {
			return err
		}
		if err := m.instance.loadRevocations(ctx); err != nil {
			return err
		}
	}
	return nil
}

// now returns the time with the precision of the databases, so that a response made
// from memory equals one made from a table.
func now() time.Time {
	t := time.Now()
	return t.Add(-time.Duration(t.Nanosecond()) % time.Microsecond) // unlike Truncate, this keeps the monotonic clock
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

var errNotReady = errors.New("starting or stopping")

func (s *System) readiness(context.Context) error {
	if !s.ready.Load() {
		return errNotReady
	}
	return nil
}

func (s *System) run() {
	for _, m := range s.services {
		m.startup.open(s.closeConnectionsWhileDraining(m.instance.Handler))
		if m.instance.Inbox != nil {
			s.consumers.start(func(ctx context.Context) { s.subscribe(ctx, m) })
		}
		for _, w := range m.instance.Workers {
			s.workers.start(func(ctx context.Context) { w.Run(ctx, m.instance.Env.Log) })
		}
	}
}

// closeConnectionsWhileDraining is the middleware that ends the connection with every
// response while the process drains, so that the client's next request goes to another
// replica.
func (s *System) closeConnectionsWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *System) serve(m *runningService) {
	if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		s.fail(fmt.Errorf("%s stopped serving: %w", m.service.Name, err))
	}
}

func (s *System) subscribe(ctx context.Context, m *runningService) {
	err := s.bus.Subscribe(ctx, m.service.Name, m.instance.Inbox.Consume)
	if err != nil && ctx.Err() == nil {
		s.fail(fmt.Errorf("%s stopped consuming events: %w", m.service.Name, err))
	}
}

func (s *System) fail(err error) {
	select {
	case s.failed <- err:
	default: // only the first failure is reported
	}
}

// Failed returns a channel that receives the error of a service that cannot go on.
func (s *System) Failed() <-chan error { return s.failed }

// URL returns the base URL of a service of this process, "" if it does not run here.
func (s *System) URL(service string) string {
	for _, m := range s.services {
		if m.service.Name == service && m.listener != nil {
			return "http://" + m.listener.Addr().String()
		}
	}
	return ""
}
