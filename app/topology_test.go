package app

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

func handles[E interface {
	EventType() string
	CorrelationID() string
}]() inbox.Handler {
	return inbox.Handle(func(context.Context, sqldb.Tx, inbox.Received[E]) error { return nil })
}

func TestHandlersThatDifferFromTheTopologyStopTheStart(t *testing.T) {
	t.Parallel()
	orders := Service{Name: "orders", Topology: bus.Topology{"item.added.v1": {"orders"}, "session.revoked.v1": {"payments"}}}
	for title, c := range map[string]struct {
		handlers []inbox.Handler
		want     string
	}{
		"as the topology has it": {[]inbox.Handler{handles[itemAdded]()}, ""},
		"one too few":            {nil, `orders does not match events/topology.go: it has no handler for item.added.v1: add one, or remove "orders" from its consumers`},
		"one too many": {
			[]inbox.Handler{handles[itemAdded](), handles[sessionRevoked]()},
			`orders does not match events/topology.go: it has a handler for session.revoked.v1, which is not delivered to it: add "orders" to its consumers`,
		},
		"one twice": {[]inbox.Handler{handles[itemAdded](), handles[itemAdded]()}, `orders does not match events/topology.go: it has two handlers for item.added.v1: keep one`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			err := checkTopology(orders, c.handlers)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

func TestAServiceWithADatabaseMustConsumeRevokedSessions(t *testing.T) {
	t.Parallel()
	forgotten := &Instance{
		Service: Service{Name: "orders", Topology: bus.Topology{"session.revoked.v1": {"payments"}}},
		Env:     Env{Revocations: auth.NewRevocations(nil, time.Now)},
	}
	_, err := forgotten.revocationHandlers()
	require.EqualError(t, err, `orders would accept the access tokens of sessions that have ended: add "orders" to "session.revoked.v1" in events/topology.go`)

	half := &Instance{
		Service: Service{Name: "orders", Topology: bus.Topology{"session.revoked.v1": {"orders"}, "session.revoked.v2": {"payments"}}},
		Env:     forgotten.Env,
	}
	_, err = half.revocationHandlers()
	require.ErrorContains(t, err, `add "orders" to "session.revoked.v2" in events/topology.go`, "of each version")

	issuer := &Instance{Service: forgotten.Service, Env: forgotten.Env, Components: Components{Verifier: &auth.Verifier{}}}
	handlers, err := issuer.revocationHandlers()
	require.NoError(t, err)
	require.Empty(t, handlers, "the service that issues tokens revokes its own sessions")
}

// The app reads the events that users publishes; app may not import events, so the
// golden files are what both agree on.
func TestTheRevocationOfTheContractIsUnderstoodInEachVersion(t *testing.T) {
	t.Parallel()
	until := timestamp.Of(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	golden := func(file string, payload any) {
		text, err := os.ReadFile("../events/testdata/" + file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, payload))
	}
	for _, file := range []string{"session.revoked.v1.json", "session.revoked.v1_2.json"} {
		var old sessionRevoked
		golden(file, &old)
		require.Equal(t, sessionsRevoked{SessionIDs: []string{"s1"}, UserID: "u1", Until: until}, upcastSessionRevoked(old), file)
	}
	var payload sessionsRevoked
	golden("session.revoked.v2.json", &payload)
	require.Equal(t, sessionsRevoked{SessionIDs: []string{"s1", "s2"}, UserID: "u1", Until: until}, payload)
}
