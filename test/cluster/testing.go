package cluster

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// testSettings make tests fast and patient.
var testSettings = []string{
	"USERS_ADMIN_EMAIL=" + AdminEmail, "USERS_ADMIN_PASSWORD=" + AdminPassword,
	"USERS_PASSWORD_HASH_COST=insecure", "USERS_REGISTRATIONS_PER_MINUTE=0", "PAYMENTS_PROVIDER_DELAYS=false", "GATEWAY_RECOVERY=100ms",
	// The machine may be busy.
	"GATEWAY_TIMEOUT=50s", "GATEWAY_TRY_TIMEOUT=20s", "GATEWAY_SLOW_TRY=20s", "GATEWAY_IN_FLIGHT=4096",
	"GATEWAY_RATE_LIMITS=false", // all virtual users have one address
	// Neither may clear away what got lost.
	"ORDERS_DEADLINE=24h", "INVENTORY_HOLD_EXPIRY=48h",
	"ORDERS_MAX_UNDECIDED_PER_CUSTOMER=0", // a few customers order by the hundred
	"LOG_LEVEL=warn",
}

// slots limit how many clusters of many processes or replicas run at the same time.
var slots = make(chan struct{}, 4)

// Start starts a cluster for a test and stops it when the test ends. What the
// config leaves out is made afresh for the test: a data folder, or databases and
// a virtual host on the tests' servers. Without servers the test is skipped, or
// fails if CI=true.
func Start(t testing.TB, c Config) *Cluster {
	t.Helper()
	c.fillIn(t)
	if c.Kind != InTest && c.Kind != OneProcess {
		slots <- struct{}{}
		t.Cleanup(func() { <-slots })
	}
	s, err := New(c)
	require.NoError(t, err)
	t.Cleanup(s.twins.close)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	require.NoError(t, s.Start(t.Context()))
	return s
}

func (c *Config) fillIn(t testing.TB) {
	t.Helper()
	c.Settings = append(append([]string{}, testSettings...), c.Settings...)
	if c.Output == nil {
		c.Output = t.Output()
	}
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	if c.Kind == InTest || c.Kind == OneProcess {
		return
	}
	if c.AMQP == "" && c.Accounts == nil {
		c.AMQP = rabbittest.URL(t)
	}
	switch {
	case c.Kind == Distributed && c.Server == "":
		c.Server = CreateDatabase(t)
	case c.Kind != Distributed && c.Kind != FilePerService && c.Databases == nil:
		c.Databases = databases(t)
	}
	if c.Kind == Replicated {
		// So that the gateway notices before a replica is gone.
		c.Settings = append(c.Settings, "DRAIN_DELAY=1s", "GATEWAY_RESOLVE_INTERVAL=250ms")
	}
}

// databases makes one for each service on the tests' server.
func databases(t testing.TB) map[string]string {
	t.Helper()
	urls := map[string]string{}
	for _, service := range Backends() {
		fresh, available := sqldbtest.URLs(t)["postgres"]
		if !available {
			t.Skipf("%s is not set: PostgreSQL is left out", sqldbtest.Variable)
		}
		urls[service] = fresh
	}
	return urls
}

// CreateDatabase makes a database on the tests' server for `troupe up
// --distributed`, which makes one for each service beside it, and drops all of
// them when the test ends. It returns the URL.
func CreateDatabase(t testing.TB) string {
	t.Helper()
	server, available := os.LookupEnv(sqldbtest.Variable)
	if !available {
		t.Skipf("%s is not set: PostgreSQL is left out", sqldbtest.Variable)
	}
	db, err := sqldb.Open(t.Context(), server, sqldb.Options{MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	name := "test_" + strings.ToLower(rand.Text())
	_, err = db.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		drop := func(name string) {
			_, err := db.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
			require.NoError(t, err)
		}
		drop(name)
		for _, service := range Backends() {
			drop(name + "_" + service)
		}
	})
	return rabbittest.At(t, server, func(u *url.URL) { u.Path = "/" + name })
}

// OwnServers starts a PostgreSQL and a RabbitMQ of the test's own, or only what the
// command names, such as start-postgres. It stops them when the test ends.
func OwnServers(t testing.TB, command ...string) *Servers {
	t.Helper()
	if !rabbittest.Available(t) {
		t.Skipf("%s is not set, so the servers' packages may be missing: real servers are left out", rabbittest.Variable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s, err := StartServers(ctx, t.TempDir(), command...)
	if s != nil {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
			defer cancel()
			require.NoError(t, s.Do(ctx, "stop"))
		})
	}
	require.NoError(t, err)
	return s
}
