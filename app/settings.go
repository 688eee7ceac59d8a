package app

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"troupe/platform/ascii"
	"troupe/platform/telemetry"
)

// Settings of a process, read from the environment. The services add their own.
type Settings struct {
	Environment string           `env:"TROUPE_ENV" envDefault:"development"` // the kind of environment: development, or production, which refuses default secrets
	DatabaseURL string           `env:"DATABASE_URL"`                        // a PostgreSQL database, with at most pool_max_conns=16 connections; empty: a SQLite file for each service
	AMQPURL     string           `env:"AMQP_URL"`                            // a RabbitMQ server; empty: the local bus
	DataDir     string           `env:"TROUPE_DATA" envDefault:".troupe"`    // the folder of the SQLite files
	LogLevel    slog.Level       `env:"LOG_LEVEL" envDefault:"info"`         // the least severe messages that are logged: debug, info, warn or error
	LogFormat   telemetry.Format `env:"LOG_FORMAT" envDefault:"auto"`        // the format of the log: text, json, or auto, which is text on a terminal
	DrainDelay  time.Duration    `env:"DRAIN_DELAY" envDefault:"0s"`         // how long to go on serving when no longer ready, so that load balancers notice
	DrainLimit  time.Duration    `env:"DRAIN_TIMEOUT" envDefault:"20s"`      // how long requests and workers may take to finish at a stop
	H2C         bool             `env:"TROUPE_H2C" envDefault:"false"`       // accepts HTTP/2 without TLS too, for proxies that speak it to their upstreams

	// How many connections each service accepts at a time; further ones are closed at once. An idle one takes about 20 KB.
	Connections int `env:"TROUPE_MAX_CONNECTIONS" envDefault:"10000"`
	// How many of them may come from one client address. Loopback addresses and GATEWAY_TRUSTED_PROXIES are not limited.
	ConnectionsPerClient int `env:"TROUPE_MAX_CONNECTIONS_PER_CLIENT" envDefault:"1000"`
	// The lowest rate, in bytes per second, at which a client may send a body or read a response.
	MinRate int `env:"TROUPE_MIN_RATE" envDefault:"1024"`
	// How far a client may fall behind that rate, which is also how long it may pause, before its connection is closed.
	SlowClient time.Duration `env:"TROUPE_SLOW_CLIENT" envDefault:"10s"`
	// Names that every service answers for, besides those of this machine, for example shop.example or *.shop.example. A service on the loopback interface refuses other hosts; one on another interface does so only if names are set, here or in NAME_HOSTS.
	Hosts []string `env:"TROUPE_HOSTS"`
	// Whether the access logs name the client by the end of X-Forwarded-For, where the gateway writes it. Set it to false if clients can reach the services without the gateway, because they could forge the header.
	TrustForwardedFor bool `env:"TROUPE_TRUST_FORWARDED_FOR" envDefault:"true"`

	// The address of the JSON Schemas of events, which each event names in its attribute dataschema: that of the gateway for the readers of events, with /docs/events. Empty: events name no schema.
	EventSchemas string `env:"TROUPE_EVENT_SCHEMAS" envDefault:"http://127.0.0.1:8000/docs/events"`
	// How many events of one type a message on RabbitMQ may hold for a service, if they are published together: 1 to 500. Set it to 1 while services of version 0.1 run beside this one, because they cannot read several.
	EventsPerMessage int `env:"EVENTS_PER_MESSAGE" envDefault:"50"`
	// Whether events are published for programs outside too, also those that no service consumes.
	EventsPublic bool `env:"EVENTS_PUBLIC" envDefault:"false"`
	// How long events are kept for programs outside that read them by HTTP, at least 1h.
	EventsKeep time.Duration `env:"EVENTS_KEEP" envDefault:"72h"`
	// How many events each service keeps for programs outside.
	EventsMost int64 `env:"EVENTS_KEEP_MOST" envDefault:"1000000"`

	// How many rows a service publishes again in a second, at most, when a projection of its data is rebuilt.
	RepublishRate int `env:"TROUPE_REPUBLISH_RATE" envDefault:"200"`

	// Whether the process records for the console what happens in it: on or off. Without a console nothing comes of it.
	Journal string `env:"JOURNAL" envDefault:"on"`
	// How many records a process makes in a second at most, on the average of ten seconds, and how many spans beside them; under more load, it leaves out whole orders. An order has about 40.
	JournalRate int `env:"JOURNAL_RECORDS_PER_SECOND" envDefault:"100"`

	// How long a repeated request with the same Idempotency-Key gets the first answer.
	IdempotencyKeep time.Duration `env:"IDEMPOTENCY_KEEP" envDefault:"48h"`
	// How long entries of the audit log are kept, at least 24h.
	AuditKeep time.Duration `env:"AUDIT_KEEP" envDefault:"9600h"`
}

func readSettings(environ map[string]string, log *slog.Logger) (Settings, error) {
	var s Settings
	if err := parseEnv(environ, log, &s); err != nil {
		return Settings{}, err
	}
	if err := s.requirePositive(); err != nil {
		return Settings{}, err
	}
	if err := s.checkEventSchemas(); err != nil {
		return Settings{}, err
	}
	if s.Journal != "on" && s.Journal != "off" {
		return Settings{}, fmt.Errorf("JOURNAL is %q: it must be on or off", s.Journal)
	}
	if s.AuditKeep < 24*time.Hour {
		return Settings{}, fmt.Errorf("AUDIT_KEEP is %s: it must be at least 24h, for example 9600h", s.AuditKeep)
	}
	if s.Environment != "development" && s.Environment != "production" {
		return Settings{}, fmt.Errorf("TROUPE_ENV is %q: set it to development or production", s.Environment)
	}
	if s.Environment == "production" {
		return s, s.refuseKnownPasswords()
	}
	return s, nil
}

// checkEventSchemas returns an error if the schemas of events have an address that is not
// the absolute one which CloudEvents requires.
func (s Settings) checkEventSchemas() error {
	at, err := url.Parse(s.EventSchemas)
	if s.EventSchemas == "" || err == nil && at.IsAbs() && at.Host != "" && !strings.HasSuffix(s.EventSchemas, "/") {
		return nil
	}
	return fmt.Errorf("TROUPE_EVENT_SCHEMAS is %q: it must look like https://api.shop.example/docs/events", s.EventSchemas)
}

// requirePositive returns an error that names a setting which is zero or negative and
// must not be.
func (s Settings) requirePositive() error {
	for _, d := range []struct {
		name, example string
		value         time.Duration
	}{{"IDEMPOTENCY_KEEP", "48h", s.IdempotencyKeep}, {"TROUPE_SLOW_CLIENT", "10s", s.SlowClient}} {
		if d.value <= 0 {
			return fmt.Errorf("%s is %s: it must be positive, for example %s", d.name, d.value, d.example)
		}
	}
	for _, n := range []struct {
		name           string
		value, example int
	}{
		{"TROUPE_MAX_CONNECTIONS", s.Connections, 10000},
		{"TROUPE_MAX_CONNECTIONS_PER_CLIENT", s.ConnectionsPerClient, 1000},
		{"TROUPE_MIN_RATE", s.MinRate, 1024},
		{"TROUPE_REPUBLISH_RATE", s.RepublishRate, 200},
		{"JOURNAL_RECORDS_PER_SECOND", s.JournalRate, 100},
	} {
		if n.value <= 0 {
			return fmt.Errorf("%s is %d: it must be positive, for example %d", n.name, n.value, n.example)
		}
	}
	if s.EventsKeep < time.Hour {
		return fmt.Errorf("EVENTS_KEEP is %s: it must be at least 1h, for example 72h", s.EventsKeep)
	}
	if s.EventsMost < 1000 {
		return fmt.Errorf("EVENTS_KEEP_MOST is %d: it must be at least 1000, for example 1000000", s.EventsMost)
	}
	if s.EventsPerMessage < 1 || s.EventsPerMessage > 500 {
		return fmt.Errorf("EVENTS_PER_MESSAGE is %d: it must be from 1 to 500, for example 50", s.EventsPerMessage)
	}
	return nil
}

const (
	knownPassword = "development-only" // the end of every password in the public files of this project
	guest         = "guest"            // RabbitMQ's default password
)

func (s Settings) refuseKnownPasswords() error {
	for _, setting := range [][2]string{{"DATABASE_URL", s.DatabaseURL}, {"AMQP_URL", s.AMQPURL}} {
		if holdsKnownPassword(setting[1]) {
			return fmt.Errorf("%s contains a password that is published with this project: choose your own for production", setting[0])
		}
	}
	if isGuest(s.AMQPURL) {
		return errors.New("AMQP_URL uses RabbitMQ's default password \"guest\" (also the default when the URL has none): " +
			"choose your own for production")
	}
	return nil
}

// holdsKnownPassword reports whether a published password occurs anywhere in the URL.
// It searches the whole text because the database driver accepts URLs that net/url does
// not, such as those with several hosts, and accepts the password as a parameter too.
func holdsKnownPassword(raw string) bool {
	plain, err := url.PathUnescape(raw)
	return strings.Contains(raw, knownPassword) || err == nil && strings.Contains(plain, knownPassword)
}

// isGuest reports whether RabbitMQ's default password would be sent, as it is for a URL
// without a password.
func isGuest(raw string) bool {
	where, err := url.Parse(raw)
	if raw == "" || err != nil {
		return false // connecting reports what is wrong with it
	}
	if password, ok := where.User.Password(); ok {
		return password == guest
	}
	return !ascii.EqualFold(where.Query().Get("auth_mechanism"), "external") // external means: by certificate
}

// parseEnv fills into from environ. Its error names the variable and what it must be.
// A field with the tag formerly:"NAME" is also read from that name, with a warning. What
// cannot be meant at the ends of a value is removed first.
func parseEnv(environ map[string]string, log *slog.Logger, into any) error {
	environ, err := tidyFields(withFormerNames(environ, log, into), into)
	if err != nil {
		return err
	}
	err = env.ParseWithOptions(into, env.Options{Environment: environ})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	var sentences []string
	for _, one := range all.Errors {
		sentences = append(sentences, explainParseError(one, into, environ))
	}
	return errors.New(strings.Join(sentences, "; "))
}

// withFormerNames returns environ with the values of settings that are still set by
// their former names. If a setting is set by both names, the present one counts.
func withFormerNames(environ map[string]string, log *slog.Logger, into any) map[string]string {
	renamed := maps.Clone(environ)
	for _, field := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		former := field.Tag.Get("formerly")
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		value, set := environ[former]
		if former == "" || !set || value == "" {
			continue
		}
		if environ[name] != "" {
			log.Warn(former+" is ignored: its present name, "+name+", is set too", "setting", name)
			continue
		}
		log.Warn(former+" is now called "+name+": rename it in the environment", "setting", name)
		renamed[name] = value
	}
	return renamed
}

func explainParseError(err error, into any, environ map[string]string) string {
	var wrong env.ParseError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	field, ok := reflect.TypeOf(into).Elem().FieldByName(wrong.Name)
	if !ok {
		return err.Error()
	}
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	text := fmt.Sprintf("%s is %q: it must be %s", name, environ[name], kindOf(field.Type))
	if example := field.Tag.Get("envDefault"); example != "" {
		text += fmt.Sprintf(", for example %q", example)
	}
	return text
}

// kindOf returns what a value of a setting must be, in an operator's words.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration"
	case t == reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	case t == reflect.TypeFor[telemetry.Format]():
		return "text, json or auto"
	case t == reflect.TypeFor[[]netip.Prefix]():
		return "a list of address ranges such as 10.0.0.0/8, separated by commas"
	case t.Kind() == reflect.Slice:
		return "a list, separated by commas"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a " + ascii.Lower(t.Name())
}

// Environ returns "NAME=value" lines, such as those of os.Environ, as a map.
func Environ(lines []string) map[string]string {
	environ := make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			environ[name] = value
		}
	}
	return environ
}
