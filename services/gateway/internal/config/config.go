// Package config describes what the gateway routes where: one YAML file with routes,
// upstreams and rate limits. The file that is embedded is the default.
package config

import (
	"net/netip"
	"time"
)

// Config is a whole file. It is immutable once it has been read; a reload makes another.
type Config struct {
	// Extends is "default" if the file adds to the embedded one. Its routes replace those
	// with the same path and method; its upstreams and limits change the keys they name.
	// Empty: the file stands alone.
	Extends   string              `yaml:"extends"`
	Routes    []Route             `yaml:"routes"`
	Upstreams map[string]Upstream `yaml:"upstreams"` // by name; a service of the system needs no entry
	Limits    map[string]Limit    `yaml:"limits"`    // by name, as routes refer to them
}

// Access is who may call a route.
type Access string

// The kinds of access.
const (
	Public        Access = "public"
	Authenticated Access = "authenticated" // anyone with a valid token
	Admin         Access = "admin"
)

// Route is a path and where its requests go.
type Route struct {
	// Path is a pattern of whole segments: "/orders/{id}", or "/shop/{rest...}" for /shop
	// and all that is below. The most specific pattern wins.
	Path     string   `yaml:"path"`
	Methods  []string `yaml:"methods"` // GET includes HEAD; empty: all
	Upstream string   `yaml:"upstream"`
	Access   Access   `yaml:"access"`
	// Idempotent marks a POST that the service carries out once for each Idempotency-Key,
	// so that it may be retried when the response was lost.
	Idempotent bool `yaml:"idempotent"`
	// Limits are rate limits that count its requests, besides those that hold everywhere.
	Limits []string `yaml:"limits"`
	// Compose joins the responses of several services to a GET: "overview" all that an
	// account has, and "order" what expand asks for besides the order.
	Compose Composition `yaml:"compose"`
	// Split sends a part of the requests elsewhere, for a canary; the rest goes to Upstream.
	Split []Split `yaml:"split"`
	// Stream lifts the limit of the whole time, for server-sent events and WebSockets.
	Stream bool `yaml:"stream"`
}

// Composition is a way to compose a response of those of several services.
type Composition string

// The compositions.
const (
	Overview Composition = "overview" // needs no upstream
	Order    Composition = "order"    // of a route whose only parameter is the order's id
)

// Split is a share of a route's requests.
type Split struct {
	Upstream string `yaml:"upstream"`
	Percent  int    `yaml:"percent"` // 1 to 99
}

// Upstream is a service behind the gateway. Zero values mean the settings GATEWAY_*, or
// the defaults in the embedded file.
type Upstream struct {
	// Targets are base URLs, such as http://10.0.0.7:8002. A host name is resolved again
	// and again, and each of its addresses is a target. Empty: the address of the service
	// with the upstream's name.
	Targets []string `yaml:"targets"`
	// OpenAPI is the path of the upstream's API document, whose operations that a route leads
	// to are part of the gateway's. Empty: /openapi.json.
	OpenAPI    string        `yaml:"openapi"`
	Timeout    time.Duration `yaml:"timeout"`
	TryTimeout time.Duration `yaml:"try_timeout"`
	SlowTry    time.Duration `yaml:"slow_try"`
	Idle       time.Duration `yaml:"idle_timeout"`
	// KeepAlive is how long a connection is kept for the next request; nil: 45 s. 0 makes one
	// for each request.
	KeepAlive *time.Duration `yaml:"keep_alive"`
	MaxBody   int64          `yaml:"max_body"` // bytes
	InFlight  int            `yaml:"in_flight"`
	Adaptive  bool           `yaml:"adaptive"` // adapts the limit of requests in flight, up to InFlight
	Health    Health         `yaml:"health"`
	Ejection  Ejection       `yaml:"ejection"`
	Recovery  time.Duration  `yaml:"recovery"` // recovery timeout of the circuit breaker
}

// Health is the active health check of each target. An empty Path means /readyz for a
// service of the system, and no check for targets of one's own.
type Health struct {
	Path     string        `yaml:"path"`
	Interval time.Duration `yaml:"interval"`
	Timeout  time.Duration `yaml:"timeout"`
	Up       int           `yaml:"up"`   // successes in a row until a target is used again
	Down     int           `yaml:"down"` // failures in a row until it is not
}

// Ejection takes a target that keeps failing out of use for a while.
type Ejection struct {
	Failures int           `yaml:"failures"` // in a row
	Base     time.Duration `yaml:"base"`     // the first time; it doubles with each ejection in a row
	Longest  time.Duration `yaml:"longest"`
	// Percent is the largest share of targets that are out of use. When more are sick, all
	// of them are used (panic mode): a sick target answers more often than none.
	Percent int `yaml:"percent"`
}

// Limit is a token bucket for each user or address.
type Limit struct {
	Key   Key     `yaml:"key"`
	Rate  float64 `yaml:"rate"` // requests a second
	Burst int     `yaml:"burst"`
	// Everywhere counts the requests of all routes; by user, of those that need a token.
	Everywhere bool `yaml:"everywhere"`
	// Except are addresses whose requests it does not count, such as 127.0.0.0/8.
	Except []netip.Prefix `yaml:"except"`
}

// Key is what has a token bucket of its own.
type Key string

// The keys.
const (
	ByUser    Key = "user" // by address for requests without a valid token
	ByAddress Key = "address"
)
