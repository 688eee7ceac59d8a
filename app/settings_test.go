package app

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	waitLimit = 10 * time.Second
	waitStep  = time.Millisecond
)

func TestABadSettingStopsTheStartWithASentence(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ value, sentence string }{
		"DRAIN_TIMEOUT":        {"soon", `DRAIN_TIMEOUT is "soon": it must be a duration, for example "20s"`},
		"LOG_FORMAT":           {"yaml", `LOG_FORMAT is "yaml": it must be text, json or auto, for example "auto"`},
		"TROUPE_EVENT_SCHEMAS": {"/docs/events", `TROUPE_EVENT_SCHEMAS is "/docs/events": it must look like https://api.shop.example/docs/events`},
		"EVENTS_PER_MESSAGE":   {"0", `EVENTS_PER_MESSAGE is 0: it must be from 1 to 500, for example 50`},

		"TROUPE_ENV": {"prod", `TROUPE_ENV is "prod": set it to development or production`},
	} {
		_, err := readSettings(map[string]string{name: want.value}, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, want.sentence)
	}
}

func TestProductionRefusesPublishedPasswords(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]string{
		"DATABASE_URL": "postgres://orders:orders-development-only@postgres/orders",
		"AMQP_URL":     "amqp://troupe:rabbitmq-development-only@rabbitmq:5672/",
	} {
		_, err := readSettings(map[string]string{name: known}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		_, err = readSettings(map[string]string{name: known, "TROUPE_ENV": "production"}, slog.New(slog.DiscardHandler))
		require.EqualError(t, err, name+" contains a password that is published with this project: choose your own for production")
		_, err = readSettings(map[string]string{name: strings.Replace(known, "development-only", "kXv81", 1), "TROUPE_ENV": "production"}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
	}
}

func TestAPublishedPasswordIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	for _, known := range []string{
		"postgres://orders:orders-development-only@one:5432,two:5432/orders",
		"postgres://postgres/orders?user=orders&password=orders-development-only",
		"postgres://orders:orders%2Ddevelopment%2Donly@postgres/orders",
	} {
		_, err := readSettings(map[string]string{"DATABASE_URL": known, "TROUPE_ENV": "production"}, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "DATABASE_URL contains a password that is published", known)
	}
}

func TestProductionRefusesThePasswordThatRabbitMQComesWith(t *testing.T) {
	t.Parallel()
	start := func(environment, at string) error {
		_, err := readSettings(map[string]string{"AMQP_URL": at, "TROUPE_ENV": environment}, slog.New(slog.DiscardHandler))
		return err
	}
	for _, at := range []string{
		"amqp://guest:guest@rabbitmq:5672/", "amqp://troupe:guest@rabbitmq/",
		"amqp://rabbitmq:5672/", "amqps://guest@rabbitmq/troupe", // a missing part is guest
	} {
		require.NoError(t, start("development", at))
		require.ErrorContains(t, start("production", at), `AMQP_URL uses RabbitMQ's default password "guest"`, at)
	}
	require.NoError(t, start("production", "amqp://guest:kXv81@rabbitmq/"))
	require.NoError(t, start("production", "amqps://rabbitmq/?certfile=a.pem&keyfile=a.key&auth_mechanism=external"))
	require.NoError(t, start("production", ""), "the local bus has no password")
}

func TestNoSettingsAtAllWork(t *testing.T) {
	t.Parallel()
	s, err := readSettings(map[string]string{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, "development", s.Environment)
}

func TestServicesListenOnTheirOwnPortOfTheLoopback(t *testing.T) {
	t.Parallel()
	orders := Service{Name: "orders", Port: 8002}
	require.Equal(t, "127.0.0.1:8002", orders.ListenAddress(nil))
	require.Equal(t, "0.0.0.0:80", orders.ListenAddress(map[string]string{"ORDERS_LISTEN": "0.0.0.0:80"}))
	urls := peers([]Service{orders, {Name: "users", Port: 8001}}, map[string]string{"ORDERS_URL": "http://orders:8002/"})
	require.Equal(t, "http://orders:8002", urls["orders"])
	require.Equal(t, "http://127.0.0.1:8001", urls["users"])
}

// shopSettings has one setting that used to have another name.
type shopSettings struct {
	Deadline time.Duration `env:"ORDERS_DEADLINE" formerly:"ORDER_DEADLINE" envDefault:"2m"`
}

func TestASettingIsReadByItsFormerNameWithAWarning(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		environ map[string]string
		want    time.Duration
		warning string
	}{
		"present name":       {map[string]string{"ORDERS_DEADLINE": "3m"}, 3 * time.Minute, ""},
		"former name":        {map[string]string{"ORDER_DEADLINE": "4m"}, 4 * time.Minute, "ORDER_DEADLINE is now called ORDERS_DEADLINE"},
		"both":               {map[string]string{"ORDERS_DEADLINE": "3m", "ORDER_DEADLINE": "4m"}, 3 * time.Minute, "ORDER_DEADLINE is ignored"},
		"present name empty": {map[string]string{"ORDERS_DEADLINE": "", "ORDER_DEADLINE": "4m"}, 4 * time.Minute, "ORDER_DEADLINE is now called ORDERS_DEADLINE"},
		"former name empty":  {map[string]string{"ORDER_DEADLINE": ""}, 2 * time.Minute, ""},
		"none":               {map[string]string{}, 2 * time.Minute, ""},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			var s shopSettings
			require.NoError(t, parseEnv(c.environ, slog.New(slog.NewTextHandler(&log, nil)), &s))
			require.Equal(t, c.want, s.Deadline)
			require.Contains(t, log.String(), c.warning)
			require.Equal(t, c.warning == "", log.Len() == 0, "warnings: %s", log.String())
		})
	}
}

func TestABadValueUnderAFormerNameNamesThePresentOne(t *testing.T) {
	t.Parallel()
	var s shopSettings
	err := parseEnv(map[string]string{"ORDER_DEADLINE": "soon"}, slog.New(slog.DiscardHandler), &s)
	require.ErrorContains(t, err, `ORDERS_DEADLINE is "soon"`)
}

func TestABadValueIsExplainedInAnOperatorsWords(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		environ map[string]string
		want    string
	}{
		"duration": {map[string]string{"WAIT": "soon"}, `WAIT is "soon": it must be a duration, for example "2m"`},
		"level":    {map[string]string{"LEVEL": "loud"}, `LEVEL is "loud": it must be debug, info, warn or error, for example "info"`},
		"number":   {map[string]string{"COUNT": "many"}, `COUNT is "many": it must be a whole number`},
		"switch":   {map[string]string{"ON": "maybe"}, `ON is "maybe": it must be true or false`},
		"ranges":   {map[string]string{"RANGES": "10.0.0.1"}, `RANGES is "10.0.0.1": it must be a list of address ranges such as 10.0.0.0/8, separated by commas`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var s struct {
				Wait   time.Duration  `env:"WAIT" envDefault:"2m"`
				Level  slog.Level     `env:"LEVEL" envDefault:"info"`
				Count  int            `env:"COUNT"`
				On     bool           `env:"ON"`
				Ranges []netip.Prefix `env:"RANGES"`
			}
			require.EqualError(t, parseEnv(c.environ, slog.New(slog.DiscardHandler), &s), c.want)
		})
	}
}
