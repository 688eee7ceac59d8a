package app

import (
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
		"DRAIN_TIMEOUT": {"soon", `DRAIN_TIMEOUT is "soon": it must be a time.Duration, for example "20s"`},
		"LOG_FORMAT":    {"yaml", `LOG_FORMAT is "yaml"`},
		"TROUPE_ENV":    {"prod", `TROUPE_ENV is "prod": set it to development or production`},
	} {
		_, err := readSettings(map[string]string{name: want.value})
		require.ErrorContains(t, err, want.sentence)
	}
}

func TestProductionRefusesPasswordsThatEverybodyKnows(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]string{
		"DATABASE_URL": "postgres://orders:orders-development-only@postgres/orders",
		"AMQP_URL":     "amqp://troupe:rabbitmq-development-only@rabbitmq:5672/",
	} {
		_, err := readSettings(map[string]string{name: known})
		require.NoError(t, err)
		_, err = readSettings(map[string]string{name: known, "TROUPE_ENV": "production"})
		require.EqualError(t, err, "the password in "+name+" is one that everybody knows: choose your own for production")
		_, err = readSettings(map[string]string{name: strings.Replace(known, "development-only", "kXv81", 1), "TROUPE_ENV": "production"})
		require.NoError(t, err)
	}
}

func TestNoSettingsAtAllWork(t *testing.T) {
	t.Parallel()
	s, err := readSettings(map[string]string{})
	require.NoError(t, err)
	require.Equal(t, "development", s.Environment)
}

func TestServicesListenOnTheirOwnPortOfTheLoopback(t *testing.T) {
	t.Parallel()
	require.Equal(t, "127.0.0.1:8002", ListenAddress("orders", nil))
	require.Equal(t, "0.0.0.0:80", ListenAddress("orders", map[string]string{"ORDERS_LISTEN": "0.0.0.0:80"}))
	urls := peers(map[string]string{"ORDERS_URL": "http://orders:8002/"})
	require.Equal(t, "http://orders:8002", urls["orders"])
	require.Equal(t, "http://127.0.0.1:8001", urls["users"])
}
