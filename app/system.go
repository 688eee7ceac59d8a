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

// Config says what to run.
type Config struct {
	Services []Service         // those to run; one that calls others comes before them, to stop before them
	All      []Service         // every service of the system, to find those that run elsewhere; nil: Services
	Environ  map[string]string // see Settings; the services' own are in there too
	Version  string
	Log      *slog.Logger // nil: to standard error, as the settings say
	// Lookup finds the addresses of the replicas behind the host of a NAME_URL; nil: by DNS.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Listen opens a port; nil: of this machine.
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
	traces    func(context.Context) error // sends what is left
	lock      *os.File                    // nil if the data is not in a folder
	failed    chan error

	listening, consuming, working loops
}

// runningService is one running service.
type runningService struct {
	service  Service
	instance *Instance
	listener net.Listener
	door     *startupHandler
	server   *http.Server // serves behind the door
	db       sqldb.DB
}

// Start starts everything and returns when it is ready for requests. The error
// of a start that can not succeed says what to do. ctx bounds only the start.
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

// bind takes all ports before anything else is touched, so that a second start
// by mistake changes nothing.
func (s *System) bind(ctx context.Context, c Config) error {
	for _, m := range s.services {
		address := m.service.ListenAddress(c.Environ)
		listener, err := c.Listen(ctx, "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return &PortTakenError{Service: m.service.Name, Address: address}
		}
		if err != nil {
			return fmt.Errorf("%s can not listen on %s: %w", m.service.Name, address, err)
		}
		m.listener = listener
	}
	return nil
}

// PortTakenError is a port that another program listens on.
type PortTakenError struct{ Service, Address string }

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("%s can not listen on %s: another program does", e.Service, e.Address)
}

// serveStartup has every port answer, if only that its service is still starting.
func (s *System) serveStartup() {
	for _, m := range s.services {
		m.door = newStartupHandler()
		m.server = &http.Server{
			Handler:           m.door,
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       75 * time.Second,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(s.logOf(m).Handler(), slog.LevelDebug),
		}
		s.listening.start(func(context.Context) { s.serve(m) })
	}
}

// logOf gives the log of a member, which names it.
func (s *System) logOf(m *runningService) *slog.Logger { return s.log.With("service", m.service.Name) }

func (s *System) openDatabases(ctx context.Context) error {
	if s.settings.DatabaseURL == "" && slices.ContainsFunc(s.services, hasDatabase) {
		if err := os.MkdirAll(s.settings.DataDir, 0o700); err != nil {
			return fmt.Errorf("can not make the data folder; set TROUPE_DATA to one that can be written: %w", err)
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

// now is the time as databases keep it, so that an answer from memory and one from
// a table say the same.
func now() time.Time {
	t := time.Now()
	return t.Add(-time.Duration(t.Nanosecond()) % time.Microsecond) // Truncate would drop the monotonic clock
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
		m.door.open(s.closeConnectionsWhileDraining(m.instance.Handler))
		if m.instance.Inbox != nil {
			s.consuming.start(func(ctx context.Context) { s.subscribe(ctx, m) })
		}
		for _, w := range m.instance.Workers {
			s.working.start(func(ctx context.Context) { w.Run(ctx, m.instance.Env.Log) })
		}
	}
}

// closeConnectionsWhileDraining has every answer end its connection while the process drains, so that
// the peer's next request goes to another replica.
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
		s.fail(fmt.Errorf("%s stopped listening to events: %w", m.service.Name, err))
	}
}

func (s *System) fail(err error) {
	select {
	case s.failed <- err:
	default: // the first failure is the one that matters
	}
}

// Failed gives the error of a service that can not go on.
func (s *System) Failed() <-chan error { return s.failed }

// URL is where a service of this process listens, "" if it is not one.
func (s *System) URL(service string) string {
	for _, m := range s.services {
		if m.service.Name == service && m.listener != nil {
			return "http://" + m.listener.Addr().String()
		}
	}
	return ""
}
