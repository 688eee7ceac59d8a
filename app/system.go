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
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/journal"
	"troupe/platform/ascii"
	"troupe/platform/netlimit"
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
	// ReloadOnHangup makes SIGHUP reload the services. The SIGHUP of a terminal that closes
	// ends Run.
	ReloadOnHangup bool
	// Listen opens a listener; nil: net.ListenConfig's.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// System is a running list of services.
type System struct {
	settings  Settings
	log       *slog.Logger
	logWriter *telemetry.LogWriter // nil if the log is the caller's
	transport *transport
	ready     atomic.Bool
	services  []*runningService
	bus       connectedBus
	journal   *journal.Journal // nil if it is switched off
	kept      *journal.Kept    // nil if the journal is sent, or switched off
	// forgetSpans ends the recording of spans for the journal; nil if they are not recorded.
	forgetSpans func()
	journals    *rabbit.Journal       // between processes; nil if there is one process, or no journal
	traces      func(context.Context) // exports the remaining spans
	lock        *os.File              // nil if the databases are not SQLite files
	failed      chan error
	hangups     hangups // none are received unless the config asks for it
	live        liveness

	servers, consumers, workers goroutines
}

// runningService is a service with everything that it runs on.
type runningService struct {
	service       Service
	instance      *Instance
	listener      net.Listener
	metrics       net.Listener // nil: the metrics are served on listener
	metricsServer *http.Server // serves metrics
	hosts         *hostList    // nil: every host
	tls           *certificate // nil: without TLS
	startup       *startupHandler
	limiter       *netlimit.Limiter
	server        *http.Server // serves startup
	db            sqldb.DB
	traced        *sqldb.TracedDB // what db is, or is made from; nil: there is no database
	seams         seams
}

// ErrStoppedEarly is the error of a start whose context ended before the system was ready.
var ErrStoppedEarly = errors.New("stopped before it was ready")

// Start starts everything and returns when the system is ready for requests. The error
// of a start that cannot succeed says what to do. ctx limits the start alone; if it ends
// first, the error is ErrStoppedEarly, and the log has what the start was waiting for.
func Start(ctx context.Context, c Config) (*System, error) {
	settings, err := readSettings(c.Environ, cmp.Or(c.Log, slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	if c.Environ, err = tidyServiceSettings(c.Environ, slices.Concat(c.Services, c.All)); err != nil {
		return nil, err
	}
	var writer *telemetry.LogWriter
	if c.Log == nil {
		c.Log, writer = logToStandardError(settings)
	}
	if c.Listen == nil {
		c.Listen = (&net.ListenConfig{}).Listen
	}
	s := &System{settings: settings, log: c.Log, logWriter: writer, transport: newTransport(c.Lookup), failed: make(chan error, 1)}
	for _, service := range c.Services {
		s.services = append(s.services, &runningService{service: service})
	}
	if err := s.start(ctx, c); err != nil {
		if ctx.Err() != nil {
			s.log.Warn(ErrStoppedEarly.Error(), "reason", err)
			err = fmt.Errorf("%w: %w", ErrStoppedEarly, err)
		}
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context, c Config) error {
	shutdown, err := telemetry.Start(ctx, "troupe", c.Version, func(name string) string { return c.Environ[name] }, c.Log)
	if err != nil {
		return err
	}
	s.traces = shutdown
	steps := []func() error{
		func() error { return s.bind(ctx, c) },
		func() error { s.serveStartup(); return nil },
		func() error { return s.openDatabases(ctx) },
		func() error { s.prepareLab(); return nil },
		func() error { return s.connectBus(ctx) },
		func() error { return s.wire(ctx, c) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	s.run()
	if c.ReloadOnHangup {
		s.hangups = listenForHangups()
	}
	s.ready.Store(true)
	return nil
}

// bind opens all ports before it changes anything else, so that a second start by
// mistake has no effect.
func (s *System) bind(ctx context.Context, c Config) error {
	for _, m := range s.services {
		var err error
		if m.listener, err = listen(ctx, c, m.service, m.service.ListenAddress(c.Environ)); err != nil {
			return err
		}
		if address := m.service.metricsAddress(c.Environ); address != "" {
			if m.metrics, err = listen(ctx, c, m.service, address); err != nil {
				return err
			}
		}
		if m.hosts, err = newHostList(m.service, c.Environ, s.settings.Hosts, m.listener.Addr()); err != nil {
			return err
		}
		if m.tls, err = newCertificate(m.service, c.Environ, now); err != nil {
			return err
		}
	}
	return nil
}

func listen(ctx context.Context, c Config, service Service, address string) (net.Listener, error) {
	listener, err := c.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &PortTakenError{Service: service.Name, Address: address}
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen on %s: %w", service.Name, address, err)
	}
	return listener, nil
}

// PortTakenError reports a port that another program listens on.
type PortTakenError struct{ Service, Address string }

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("%s cannot listen on %s: another program does", e.Service, e.Address)
}

// logOf returns the log of a service, which names the service.
func (s *System) logOf(m *runningService) *slog.Logger { return s.log.With("service", m.service.Name) }

func (s *System) wire(ctx context.Context, c Config) error {
	all := c.All
	if all == nil {
		all = c.Services
	}
	urls := peers(all, c.Environ)
	for _, m := range s.services {
		if m.tls == nil || c.Environ[ascii.Upper(m.service.Name)+"_URL"] == "" { // a certificate is for a name
			urls[m.service.Name] = m.url()
		}
	}
	s.newJournal()
	for _, m := range s.services {
		var err error
		m.instance, err = NewInstance(m.service, Dependencies{
			Environ: c.Environ, Version: c.Version, DB: m.db, Publisher: m.seams.withPublisher(s.bus), Peers: urls, Transport: s.transport,
			TransportKeeping: s.transport.keeping, Lookup: c.Lookup,
			Now: now, NewID: newID, Log: s.logOf(m), Ready: s.readiness, Live: s.live.reason, Impaired: s.bus.Impaired, Journal: s.journal, Kept: s.kept,
			Faults: m.seams.faults,
		})
		if err != nil {
			return err
		}
		m.limiter.Exempt(m.instance.Components.Proxies)
		m.limiter.RegisterMetrics(m.instance.Env.Registry)
		if m.traced != nil {
			m.traced.RegisterMetrics(m.instance.Env.Registry)
		}
		if s.logWriter != nil {
			registerLogMetrics(m.instance.Env.Registry, s.logWriter)
		}
		if err := m.instance.loadRevocations(ctx); err != nil {
			return err
		}
	}
	s.registerBusMetrics()
	s.connectJournal()
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
		if m.instance.Components.Stopping != nil {
			m.server.RegisterOnShutdown(m.instance.Components.Stopping)
		}
		if m.instance.eventFeed != nil {
			m.server.RegisterOnShutdown(m.instance.eventFeed.Stop)
		}
		m.startup.open(s.closeConnectionsWhileDraining(m.seams.withHandler(m.instance.Handler)))
		if m.metrics != nil {
			m.metricsServer = s.newMetricsServer(m)
			s.servers.start(func(context.Context) { s.serveMetrics(m) })
		}
		if m.instance.Inbox != nil {
			s.consumers.start(func(ctx context.Context) { s.subscribe(ctx, m) })
		}
		if m.tls != nil {
			m.tls.registerMetrics(m.instance.Env.Registry)
			m.instance.Workers = append(m.instance.Workers, m.tls.watcher(m.instance.Env.Log))
		}
		for _, w := range m.instance.Workers {
			w = s.live.watch(m.seams.withWorker(w), m.service.Name)
			s.workers.start(func(ctx context.Context) { w.Run(ctx, m.instance.Env.Log) })
		}
	}
	if s.journals != nil {
		s.receiveJournals()
	}
	if s.journal != nil {
		w := s.journal.Worker()
		s.workers.start(func(ctx context.Context) { w.Run(ctx, s.log) })
	}
	s.workers.start(func(ctx context.Context) { s.live.run(ctx, s.log) })
}

func (s *System) subscribe(ctx context.Context, m *runningService) {
	consume := s.live.watchHandler(m.seams.withConsumer(m.instance.Inbox.Consume), m.service.Name)
	if pace := m.instance.Components.Pace; pace > 0 {
		consume = bus.Paced(consume, pace)
	}
	err := s.bus.Subscribe(ctx, m.service.Name, consume)
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
			return m.url()
		}
	}
	return ""
}

// url returns the base URL of a service that listens.
func (m *runningService) url() string {
	scheme := "http://"
	if m.tls != nil {
		scheme = "https://"
	}
	return scheme + m.listener.Addr().String()
}
