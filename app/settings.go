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

	// How long a repeated request with the same Idempotency-Key gets the first answer.
	IdempotencyKeep time.Duration `env:"IDEMPOTENCY_KEEP" envDefault:"48h"`
}

func readSettings(environ map[string]string, log *slog.Logger) (Settings, error) {
	var s Settings
	if err := parseEnv(environ, log, &s); err != nil {
		return Settings{}, err
	}
	if s.IdempotencyKeep <= 0 {
		return Settings{}, fmt.Errorf("IDEMPOTENCY_KEEP is %s: it must be positive, for example 48h", s.IdempotencyKeep)
	}
	if s.Environment != "development" && s.Environment != "production" {
		return Settings{}, fmt.Errorf("TROUPE_ENV is %q: set it to development or production", s.Environment)
	}
	if s.Environment == "production" {
		return s, s.refuseKnownPasswords()
	}
	return s, nil
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
	return !strings.EqualFold(where.Query().Get("auth_mechanism"), "external") // external means: by certificate
}

// parseEnv fills into from environ. Its error names the variable and what it must be.
// A field with the tag formerly:"NAME" is also read from that name, with a warning.
func parseEnv(environ map[string]string, log *slog.Logger, into any) error {
	environ = withFormerNames(environ, log, into)
	err := env.ParseWithOptions(into, env.Options{Environment: environ})
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
	return "a " + strings.ToLower(t.Name())
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
