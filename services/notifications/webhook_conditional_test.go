package notifications_test

import (
	"testing"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

func TestAChangeBasedOnAnOldWebhookIsRefused(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		admin := h.As("admin", auth.Admin)
		path := "/webhooks/" + admin.Post(t, "/webhooks", object{"url": "https://erp.example/hooks", "events": []string{"order.paid.v1"}}).Want(t, 201).Field(t, "id")
		response := admin.Get(t, path).Want(t, 200)
		var read object
		response.JSON(t, &read)
		old := response.Header("ETag")
		admin.With("If-Match", old).Patch(t, path, read).Want(t, 200)
		read["description"] = "by the first admin"
		delete(read, "updated_at")
		admin.With("If-Match", old).Patch(t, path, read).Want(t, 200, "description", "by the first admin")
		admin.With("If-Match", old).Patch(t, path, object{"enabled": false}).Problem(t, 412, "precondition_failed")
		admin.With("If-Match", old).Delete(t, path).Problem(t, 412, "precondition_failed")
		admin.Patch(t, path, object{"id": "another"}).Problem(t, 422, "read_only")
		now := admin.Get(t, path).Want(t, 200, "enabled", true, "description", "by the first admin").Header("ETag")
		admin.With("If-Match", now).Delete(t, path).Want(t, 204)
	})
}
