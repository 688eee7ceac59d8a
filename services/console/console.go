// Package console shows people what happens in the system and why: the orders, the events
// and the attempts to handle them, dead letters, services and traces. It keeps what the
// journals of the services tell it, and asks the services for the rest.
//
// The console is optional. No service waits for it, and nothing is decided by what it has.
package console

import (
	"context"
	"fmt"
	"strings"
	"time"

	"troupe/app"
	"troupe/patterns/feed"
	"troupe/patterns/journal"
	"troupe/patterns/worker"
	"troupe/platform/httpapi"
	"troupe/services/console/internal/store"
	"troupe/services/console/internal/traces"
	"troupe/services/console/internal/ui"
	"troupe/services/console/internal/view"
)

// Service is the console.
var Service = app.Service{
	Name:       "console",
	Port:       8006,
	Owns:       "what the journals of the services tell",
	Migrations: store.Migrations,
	Build:      build,

	ReadsJournals: true,
}

// The modes of the console.
const (
	modeOff      = "off"
	modeReadOnly = "readonly"
	modeFull     = "full"
)

type settings struct {
	// What the console permits: full, readonly, or off, which serves nothing. Default: full, and readonly in production.
	Mode string `env:"CONSOLE_MODE"`
	// How long the console keeps what the journals tell, at least 1h.
	Keep time.Duration `env:"CONSOLE_KEEP" envDefault:"72h"`
	// How many orders the console keeps, the newest.
	KeepOrders int64 `env:"CONSOLE_KEEP_ORDERS" envDefault:"10000"`
	// The address of Jaeger's pages, for links to traces; empty: there are no links.
	JaegerURL string `env:"CONSOLE_JAEGER_URL"`
}

// console is the service.
type console struct {
	app.Env
	settings
	// observers receive the records of the journals as they arrive, before they are kept.
	// They must be quick, and keep what they want in memory.
	observers []func([]journal.Record)
	changes   *feed.Feed // wakes the streams
	sessions  *sessions
	// overviewNow returns the first page, as the admin with this authorization sees it.
	overviewNow func(ctx context.Context, authorization string) (view.Overview, error)
	lab         *lab
	traces      *traces.Store
	recent      *recentOrders

	gatewayJournal gatewayJournal
}

func build(env app.Env) (app.Components, error) {
	c := &console{Env: env, sessions: newSessions(), traces: traces.New(), recent: newRecentOrders()}
	if err := c.readSettings(); err != nil {
		return app.Components{}, err
	}
	if c.Mode == modeOff {
		return app.Components{}, nil
	}
	c.changes = c.newFeed()
	return app.Components{
		Routes: c.routes, Journaled: c.journaled, Middleware: c.guard, Stopping: c.changes.Stop,
		Workers: []worker.Worker{c.retention(), c.changes.Worker(feedEvery)},
	}, nil
}

func (c *console) readSettings() error {
	if err := c.Settings(&c.settings); err != nil {
		return err
	}
	switch {
	case c.Keep < time.Hour:
		return fmt.Errorf("CONSOLE_KEEP is %s: it must be at least 1h, for example 72h", c.Keep)
	case c.JaegerURL != "" && !strings.HasPrefix(c.JaegerURL, "http://") && !strings.HasPrefix(c.JaegerURL, "https://"):
		return fmt.Errorf("CONSOLE_JAEGER_URL is %q: it must begin with http:// or https://, for example http://127.0.0.1:16686", c.JaegerURL)
	case c.KeepOrders < 1:
		return fmt.Errorf("CONSOLE_KEEP_ORDERS is %d: it must be positive, for example 10000", c.KeepOrders)
	}
	switch {
	case c.Mode == "" && c.Production:
		c.Mode = modeReadOnly
	case c.Mode == "":
		c.Mode = modeFull
	case c.Mode != modeOff && c.Mode != modeReadOnly && c.Mode != modeFull:
		return fmt.Errorf("CONSOLE_MODE is %q: it must be off, readonly or full", c.Mode)
	}
	return nil
}

// observe has f called with all records that arrive; see observers.
func (c *console) observe(f func([]journal.Record)) { c.observers = append(c.observers, f) }

// routes adds the pages and the API. Each area has a file of its own.
func (c *console) routes(api *httpapi.API) {
	api.Handle("GET /console/", ui.Handler())
	api.Handle("GET /console", ui.Handler())
	c.registerSession(api)
	c.registerEvents(api)
	c.registerStream(api)
	c.registerOrders(api)
	c.registerOverview(api)
	c.registerOrder(api)
	c.registerDeadLetters(api)
	c.registerServices(api)
	c.registerTraces(api)
	c.registerMails(api)
	c.registerLab(api)
}
