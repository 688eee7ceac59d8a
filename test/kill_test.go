package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/failpoint"
	"troupe/test/cluster"
	"troupe/test/invariants"
	"troupe/test/load"
)

// All services in one process: killed at each step of an order and started again,
// it goes on as if nothing had happened.
func TestTheProcessIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	byPackage := failpointsByPackage("rabbit")
	// Mails to the built-in mailbox pass these only; the rest needs an SMTP server.
	byPackage["mailbox"] = []string{
		"notifications: mails claimed, none sent", "notifications: mails written down, not committed",
		"notifications: mails recorded",
	}
	for name, points := range byPackage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKillTest(t, cluster.OneProcess, name == "notifications")
			for n, point := range points {
				k.killAt(t, cluster.AllInOne, point, 1+n%3)
			}
		})
	}
}

// A process for each service: each is killed at each step of an order and started
// again, while the others go on.
func TestEachServiceIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	byPackage := failpointsByPackage("local")
	shared := slices.Concat(byPackage["outbox"], byPackage["inbox"], byPackage["rabbit"])
	publisher := append([]string{"rabbit: sent, not confirmed"}, byPackage["outbox"]...)
	// What notifications publishes has no consumer, and so it never gets to these.
	consumer := slices.DeleteFunc(slices.Clone(shared), func(point string) bool { return slices.Contains(publisher, point) })
	for service, points := range map[string][]string{
		"gateway": byPackage["gateway"], "users": publisher, "orders": shared, "inventory": shared, "payments": shared, "notifications": consumer,
	} {
		if service != "gateway" {
			points = slices.Concat(byPackage[service], points)
		}
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			k := newKillTest(t, cluster.ProcessPerService, service == "notifications")
			for n, point := range points {
				nth := 1 + n%3
				if service == "users" {
					nth = 1 // customers register all at once: it may publish only one batch
				}
				k.killAt(t, service, point, nth)
			}
		})
	}
}

// failpointsByPackage returns all failpoints by the package they are in, without
// those of the bus that is not used.
func failpointsByPackage(unusedBus string) map[string][]string {
	points := map[string][]string{}
	for _, point := range failpoint.Names() {
		if name, _, _ := strings.Cut(point, ":"); name != unusedBus {
			points[name] = append(points[name], point)
		}
	}
	return points
}

// killTest is a system under load whose processes can be killed at failpoints.
type killTest struct {
	cluster   *cluster.Cluster
	load      *load.Generator
	databases invariants.Databases
	smtp      *smtpServer // nil: the built-in mailbox
	browsers  *browsers   // nil: no customer has subscribed one
}

// killSlots limit how many of these systems run at the same time, on top of the
// cluster's own limit: those in one process are under load too.
var killSlots = make(chan struct{}, 2)

// newKillTest starts a system. If everywhere is set, mails go to an SMTP server, and each
// customer has a browser that receives pushes.
func newKillTest(t *testing.T, kind cluster.Kind, everywhere bool) *killTest {
	t.Helper()
	killSlots <- struct{}{}
	t.Cleanup(func() { <-killSlots })
	binary, err := programWithFailpoints()
	require.NoError(t, err)
	k := &killTest{}
	settings := []string{"LOG_LEVEL=error"}
	if everywhere {
		k.smtp, k.browsers = startSMTPServer(t), newBrowsers(t)
		settings = append(settings, "NOTIFICATIONS_SMTP_URL=smtp://"+k.smtp.address)
		settings = append(settings, k.browsers.service.Settings()...)
	}
	k.cluster = cluster.Start(t, cluster.Config{Kind: kind, Program: binary, Settings: settings})
	k.databases = openDatabases(t, k.cluster)
	k.load = newLoad(t, k.cluster, 8)
	if k.browsers != nil {
		k.load.Registered = k.browsers.subscribe
	}
	return k
}

// newLoad returns a load generator whose products can be ordered.
func newLoad(t *testing.T, c *cluster.Cluster, users int) *load.Generator {
	t.Helper()
	g := &load.Generator{
		Gateway: c.URL("gateway"), AdminEmail: cluster.AdminEmail, AdminPassword: cluster.AdminPassword,
		Users: users, PaymentMethods: load.MixedMethods,
	}
	require.NoError(t, g.Prepare(t.Context(), 20))
	return g
}

// killAt has the process killed when it passes the failpoint for the nth time while
// orders are placed, starts it again, and requires that every order is completed.
func (k *killTest) killAt(t *testing.T, node, point string, nth int) {
	t.Helper()
	t.Run(point, func(t *testing.T) {
		require.NoError(t, k.cluster.Kill(node))
		err := k.cluster.StartWith(t.Context(), node, fmt.Sprintf("TROUPE_FAIL_AT=%s#%d", point, nth))
		if !errors.Is(err, cluster.ErrEnded) { // it may have passed the failpoint during its start
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		ordered := make(chan error, 1)
		go func() { ordered <- errors.Join(k.load.PlaceOrders(ctx, 24), k.load.Wait()) }()
		select {
		case <-k.cluster.Ended(node):
		case <-ctx.Done():
			require.Fail(t, "the failpoint is never passed", "%s, time %d", point, nth)
		}
		require.True(t, k.cluster.Killed(node), "it ended before the failpoint: %s, time %d", point, nth)
		k.requireAccountsAgree(t)
		require.NoError(t, invariants.ExpireLeases(t.Context(), k.databases))
		require.NoError(t, k.cluster.Start(t.Context(), node))
		require.NoError(t, <-ordered)
		k.requireCompleted(t)
	})
}

// requireAccountsAgree checks the state that a kill has left. Other processes may go
// on meanwhile: reads that fell between two of their commits are repeated, while a
// real mistake stays one.
func (k *killTest) requireAccountsAgree(t *testing.T) {
	t.Helper()
	var wrong error
	require.Eventually(t, func() bool {
		wrong = invariants.Always(t.Context(), k.databases)
		return wrong == nil
	}, 10*time.Second, pollInterval, "%v", delayedError{&wrong})
}

// requireCompleted waits until the system is quiet, and requires that there is one
// order for each request and no other, that all accounts agree, and that every
// customer was notified.
func (k *killTest) requireCompleted(t *testing.T) {
	t.Helper()
	awaitQuiet(t, k.databases)
	require.NoError(t, invariants.OrdersKept(t.Context(), k.databases, k.load.OrderIDs()))
	if k.smtp != nil {
		k.smtp.requireReceived(t, k.databases["notifications"])
		k.browsers.requireReceived(t, k.databases["notifications"])
	}
}
