package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/patterns/bus"
	"troupe/patterns/inbox"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// toll is an event that the service in these tests handles, and fine one that undoes something.
type (
	toll struct{}
	fine struct{}
)

func (toll) EventType() string     { return "toll.paid.v1" }
func (toll) CorrelationID() string { return "" }
func (fine) EventType() string     { return "fine.cancelled.v1" }
func (fine) CorrelationID() string { return "" }

func ignore[E any](context.Context, sqldb.Tx, E) error { return nil }

var tollgate = app.Service{
	Name: "tollgate", Migrations: fstest.MapFS{},
	Topology: bus.Topology{"toll.paid.v1": {"tollgate"}, "fine.cancelled.v1": {"tollgate"}},
	Build: func(app.Env) (app.Components, error) {
		return app.Components{
			Routes:   func(*httpapi.API) {},
			Handlers: []inbox.Handler{inbox.Handle(ignore[inbox.Received[toll]]), inbox.Handle(ignore[inbox.Received[fine]], inbox.NeverGiveUp())},
		}, nil
	},
}

// park stores n events that the service could not handle.
func park(t *testing.T, h *servicetest.Harness, n int, eventType, state, cause string) {
	t.Helper()
	for k := range n {
		_, err := h.DB.Exec(t.Context(), `INSERT INTO parked (event_id, consumer, type, body, state, attempts, last_error, first_failed, next_try)
			VALUES ($1, 'tollgate', $2, $3, $4, 12, $5, 1, $6)`, fmt.Sprintf("%s-%s-%d", eventType, cause, k), eventType,
			[]byte(`{"specversion":"1.0","id":"x","source":"s","type":"`+eventType+`","data":{}}`), state, cause, h.Now().UnixMicro()+1e9)
		require.NoError(t, err)
	}
}

func TestAnAdminReplaysAndDiscardsManyDeadLetters(t *testing.T) {
	servicetest.Run(t, tollgate, func(t *testing.T, h *servicetest.Harness) {
		root := h.As("root", auth.Admin)
		park(t, h, 3, "toll.paid.v1", "dead", "no change for 7")
		park(t, h, 2, "toll.paid.v1", "dead", "closed")
		park(t, h, 1, "fine.cancelled.v1", "retry", "closed")
		groups := root.Get(t, "/dead-letters/groups").Want(t, 200,
			"items.0.count", 3.0, "items.0.cause", "no change for N", "items.1.count", 2.0, "items.2.compensation", true, "items.3", nil)
		first, second, third := groups.Field(t, "items.0.id"), groups.Field(t, "items.1.id"), groups.Field(t, "items.2.id")
		root.Get(t, "/dead-letters?group="+first).Want(t, 200, "items.2.group", first, "items.3", nil)

		replay := func(body string) *servicetest.Response { return root.Post(t, "/dead-letters/replay", body) }
		replay(`{}`).Problem(t, 422, "nothing_selected")
		replay(`{"group":"`+first+`","dry_run":true}`).Want(t, 200, "dry_run", true, "count", 3.0)
		replay(`{"group":"`+first+`"}`).Want(t, 200, "dry_run", false, "count", 3.0)
		replay(`{"group":"`+first+`"}`).Want(t, 200, "count", 0.0)
		replay(`{"all":true,"dry_run":true}`).Want(t, 200, "count", 2.0)

		discard := func(body string) *servicetest.Response { return root.Post(t, "/dead-letters/discard", body) }
		discard(`{"group":"`+second+`"}`).Problem(t, 422, "validation_failed")
		discard(`{"group":"`+second+`","reason":"repaired by hand","dry_run":true}`).Want(t, 200, "count", 2.0)
		discard(`{"group":"`+second+`","reason":"repaired by hand"}`).Want(t, 200, "count", 2.0)
		discard(`{"group":"`+third+`","reason":"repaired by hand"}`).Want(t, 200, "count", 0.0, "kept", 1.0)
		discard(`{"group":"`+third+`","reason":"repaired by hand","compensations":true}`).Want(t, 200, "count", 1.0, "kept", 0.0)

		audited := strings.Join(h.Audited(t), "\n")
		require.Contains(t, audited, "root replay_dead_letters ok group "+first)
		require.Equal(t, 3, strings.Count(audited, "root discard_dead_letter ok"), audited)
		h.Settle(t)
		root.Get(t, "/dead-letters").Want(t, 200, "items.0", nil)
	})
}

func TestOnlyAdminsChangeDeadLetters(t *testing.T) {
	servicetest.Run(t, tollgate, func(t *testing.T, h *servicetest.Harness) {
		ada := h.As("ada", auth.User)
		ada.Get(t, "/dead-letters/groups").Problem(t, 403, "role_required")
		ada.Post(t, "/dead-letters/replay", `{"all":true}`).Problem(t, 403, "role_required")
		ada.Post(t, "/dead-letters/discard", `{"all":true,"reason":"because"}`).Problem(t, 403, "role_required")
	})
}
