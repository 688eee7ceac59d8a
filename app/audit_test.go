package app_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/patterns/audit"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// careless is a service with one operation that records what it does and one that its
// author forgot.
var careless = app.Service{
	Name: "careless", Migrations: fstest.MapFS{}, // it has a database, with no tables of its own
	Build: func(env app.Env) (app.Components, error) {
		admin := httpapi.RequireRole(auth.Admin)
		record := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			return nil, env.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
				return env.Audit.Record(ctx, tx, audit.Entry{Action: "record_it", Target: "7"})
			})
		}
		forget := func(context.Context, *struct{}) (*struct{}, error) { return nil, nil }
		fail := func(context.Context, *struct{}) (*struct{}, error) {
			return nil, fault.New(fault.Conflict, "busy", "it is busy; wait")
		}
		return app.Components{Routes: func(api *httpapi.API) {
			httpapi.Post(api, "/recorded", record, admin)
			httpapi.Post(api, "/forgotten/{id}", forget, admin)
			httpapi.Post(api, "/busy", fail, admin)
			httpapi.Get(api, "/secrets", forget, admin)
		}}, nil
	},
}

func TestNoActionOfAnAdminIsMissingInTheAuditLog(t *testing.T) {
	servicetest.Run(t, careless, func(t *testing.T, h *servicetest.Harness) {
		root, ada := h.As("root", auth.Admin), h.As("ada", auth.User)
		root.Post(t, "/recorded", nil).Want(t, 204)
		root.Post(t, "/forgotten/5", nil).Want(t, 204)
		root.Post(t, "/busy", nil).Problem(t, 409, "busy")
		root.Get(t, "/secrets").Want(t, 204)
		ada.Post(t, "/recorded", nil).Problem(t, 403, "role_required")
		ada.Get(t, "/secrets").Problem(t, 403, "role_required")
		h.Anonymous().Get(t, "/secrets").Problem(t, 401, "token_missing")
		require.Equal(t, []string{
			"root record_it ok 7",
			"root POST /forgotten/{id} ok /forgotten/5",
			"root POST /busy refused /busy",
			"ada POST /recorded refused /recorded",
			"ada GET /secrets refused /secrets",
		}, h.Audited(t))
	})
}

func TestAnAdminReadsTheAuditLog(t *testing.T) {
	servicetest.Run(t, careless, func(t *testing.T, h *servicetest.Harness) {
		root := h.As("root", auth.Admin).With("X-Forwarded-For", "203.0.113.9")
		for range 3 {
			root.Post(t, "/recorded", nil).Want(t, 204)
		}
		page := root.Get(t, "/audit/careless?limit=2&action=record_it&client_address=203.0.113.9").Want(t, 200,
			"items.0.actor", "root", "items.0.role", "admin", "items.0.client_address", "203.0.113.9", "items.0.peer_address", "127.0.0.1", "items.2", nil)
		root.Get(t, "/audit/careless?limit=2&action=record_it&client_address=203.0.113.9&cursor="+page.Field(t, "next_cursor")).Want(t, 200, "items.0.target", "7", "items.1", nil)
		root.Get(t, "/audit/careless?since=2026-01-01T13:00:00Z").Want(t, 200, "items.0", nil)
		root.Get(t, "/audit/careless?until=2026-01-01T13:00:00Z").Want(t, 200, "items.2.target", "7")
		root.Get(t, "/audit/careless?since=yesterday").Problem(t, 422, "validation_failed")
		root.Get(t, "/audit/careless?outcome=maybe").Problem(t, 422, "validation_failed")
		h.As("ada", auth.User).Get(t, "/audit/careless").Problem(t, 403, "role_required")
		h.Anonymous().Get(t, "/audit/careless").Problem(t, 401, "token_missing")
	})
}
