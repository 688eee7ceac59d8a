package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/failpoint"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/test/crowd"
	"troupe/test/invariants"
	"troupe/test/process"
)

// mortal is the real program built to die on demand, once for all tests.
var mortal = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(built, "mortal")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return process.Build(context.Background(), dir, "-tags", "failpoints")
})

// Everything in one process: killed at each step of an order, it goes on after the
// next start as if nothing had happened.
func TestTheProcessIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	places := placesIn(t, "rabbit")
	places["mailbox"] = []string{"notifications: mails claimed, none sent", "notifications: mails written down, not committed",
		"notifications: mails recorded"}
	for place, points := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, nil, place == "notifications")
			for n, point := range points {
				v.survives(t, "troupe", point, 1+n%3)
			}
		})
	}
}

// Each service by itself: killed at each step of an order, and started again,
// while the others go on.
func TestEachServiceIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	places := placesIn(t, "local")
	shared := slices.Concat(places["outbox"], places["inbox"], places["rabbit"])
	speaks := append([]string{"rabbit: sent, not confirmed"}, places["outbox"]...)
	for service, points := range map[string][]string{
		"gateway": places["gateway"], "users": speaks, "orders": shared, "inventory": shared, "payments": shared, "notifications": shared,
	} {
		if service != "gateway" {
			points = slices.Concat(places[service], points)
		}
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, serversOf(t), service == "notifications")
			for n, point := range points {
				nth := 1 + n%3
				if service == "users" {
					nth = 1 // customers come all at once: it may have only one batch to say
				}
				v.survives(t, service, point, nth)
			}
		})
	}
}

// placesIn sorts the points by where they are, but for those of the other bus.
func placesIn(t *testing.T, otherBus string) map[string][]string {
	t.Helper()
	places := map[string][]string{}
	for _, p := range failpoint.Names() {
		if place, _, _ := strings.Cut(p, ":"); place != otherBus {
			places[place] = append(places[place], p)
		}
	}
	return places
}

// turns keep the systems that are killed at one time few: each is six services.
var turns = make(chan struct{}, 2)

// victim is a system with customers who do not give up.
type victim struct {
	fleet     *process.Fleet
	crowd     *crowd.Crowd
	databases invariants.Databases
	post      *postOffice // nil: the built-in mailbox
}

// servers are those of a system with a process for each service.
type servers struct {
	databases map[string]string // by service
	amqp      string
}

// serversOf makes fresh ones, or skips the test if there are none.
func serversOf(t *testing.T) *servers {
	t.Helper()
	s := &servers{databases: map[string]string{}, amqp: rabbittest.URL(t)}
	for _, service := range process.Services[1:] {
		fresh, there := sqldbtest.URLs(t)["postgres"]
		if !there {
			t.Skipf("%s is not set: PostgreSQL is left out", sqldbtest.Variable)
		}
		s.databases[service] = fresh
	}
	return s
}

func newVictim(t *testing.T, apart *servers, bySMTP bool) *victim {
	t.Helper()
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
	binary, err := mortal()
	require.NoError(t, err)
	v := &victim{databases: invariants.Databases{}, fleet: &process.Fleet{
		Binary: binary, Data: t.TempDir(), Output: t.Output(),
		Env: []string{
			"ADMIN_PASSWORD=" + adminPassword, "LOG_LEVEL=error", "PASSWORD_HASH_COST=insecure",
			"PROVIDER_DELAYS=false", "GATEWAY_RECOVERY=100ms",
			"ORDER_DEADLINE=24h", "HOLD_EXPIRY=48h", // or they would clear away what got lost
		},
	}}
	if apart != nil {
		v.fleet.Apart = apart.databases
		v.fleet.Env = append(v.fleet.Env, "AMQP_URL="+apart.amqp)
	}
	if bySMTP {
		v.post = openPostOffice(t)
		v.fleet.Env = append(v.fleet.Env, "SMTP_URL=smtp://"+v.post.address)
	}
	require.NoError(t, v.fleet.StartAll(t.Context()))
	t.Cleanup(func() { require.NoError(t, v.fleet.Stop()) })
	for _, service := range process.Services[1:] {
		db, err := sqldb.Open(t.Context(), v.fleet.Database(service), sqldb.Options{MaxConns: 1})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		v.databases[service] = db
	}
	v.crowd = &crowd.Crowd{
		Gateway: v.fleet.URL("gateway"), AdminEmail: adminEmail, AdminPassword: adminPassword, Customers: 8, Methods: methods,
	}
	require.NoError(t, v.crowd.Open(t.Context(), 20))
	return v
}

// survives has the process die at the nth passing of the point while customers
// order, starts it again, and demands that everything comes to its end.
func (v *victim) survives(t *testing.T, name string, at string, nth int) {
	t.Helper()
	t.Run(at, func(t *testing.T) {
		require.NoError(t, v.fleet.Kill(name))
		err := v.fleet.Start(t.Context(), name, fmt.Sprintf("TROUPE_FAIL_AT=%s#%d", at, nth))
		if !errors.Is(err, process.ErrEnded) {
			require.NoError(t, err)
		}
		bound, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ordered := make(chan error, 1)
		go func() { ordered <- errors.Join(v.crowd.Order(bound, 24), v.crowd.Finish()) }()
		select {
		case <-v.fleet.Ended(name):
		case <-bound.Done():
			require.Fail(t, "the point is never passed", "%s, time %d", at, nth)
		}
		require.True(t, v.fleet.Killed(name), "it ended before the point: %s, time %d", at, nth)
		v.addsUp(t)
		require.NoError(t, invariants.LeasesRunOut(t.Context(), v.databases))
		require.NoError(t, v.fleet.Start(t.Context(), name))
		require.NoError(t, <-ordered)
		v.comesToRest(t)
	})
}

// addsUp demands that accounts agree in the very state that a death has left. Others
// may go on meanwhile: a look that fell between two of their commits is repeated,
// while what really is wrong stays wrong.
func (v *victim) addsUp(t *testing.T) {
	t.Helper()
	var wrong error
	require.Eventually(t, func() bool {
		wrong = invariants.Always(t.Context(), v.databases)
		return wrong == nil
	}, 10*time.Second, tick, "%v", lazy{&wrong})
}

// comesToRest demands that, when all is quiet, there is an order for each wish
// and nothing else, that all accounts agree, and that everybody was told.
func (v *victim) comesToRest(t *testing.T) {
	t.Helper()
	var wrong error
	require.Eventually(t, func() bool {
		wrong = errors.Join(invariants.Quiet(t.Context(), v.databases), invariants.Told(t.Context(), v.databases))
		if wrong != nil {
			wrong = errors.Join(wrong, invariants.LeasesRunOut(t.Context(), v.databases))
		}
		return wrong == nil
	}, patience, 50*time.Millisecond, "%v", lazy{&wrong})
	require.NoError(t, invariants.Kept(t.Context(), v.databases, v.crowd.Orders()))
	if v.post != nil {
		v.post.delivered(t, v.databases["notifications"])
	}
}
