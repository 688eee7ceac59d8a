package notifications_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/services/notifications"
)

func TestAnAdminListsDeliveriesAndTheirStates(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		h.Consumes(t, adaRegistered, created, paid)
		admin := h.As("admin", auth.Admin)
		admin.Get(t, "/deliveries?order_id="+orderID+"&state=sent").Want(t, 200,
			"items.0.kind", "order.paid", "items.0.state", "sent", "items.0.channel", "email", "items.0.user_id", ada,
			"items.1.kind", "order.created", "items.2", nil)
		admin.Get(t, "/deliveries?state=rejected").Want(t, 200, "items.0", nil)
		admin.Get(t, "/deliveries?order_id=none").Want(t, 200, "items.0", nil)
		require.Equal(t, 422, admin.Get(t, "/deliveries?state=lost").Status)
		cursor := admin.Get(t, "/deliveries?limit=1").Want(t, 200, "items.0.kind", "order.paid").Field(t, "next_cursor")
		admin.Get(t, "/deliveries?limit=1&cursor="+cursor).Want(t, 200, "items.0.kind", "order.created")

		id := admin.Get(t, "/deliveries").Field(t, "items.0.id")
		admin.Get(t, "/deliveries/"+id).Want(t, 200, "id", id, "log", nil)
		admin.Post(t, "/deliveries/"+id+"/retry", nil).Problem(t, 409, "delivery_not_retryable")
		admin.Get(t, "/deliveries/none").Problem(t, 404, "delivery_not_found")
		admin.Post(t, "/deliveries/none/retry", nil).Problem(t, 404, "delivery_not_found")

		customer := h.As(ada, auth.User)
		customer.Get(t, "/deliveries").Problem(t, 403, "role_required")
		customer.Get(t, "/deliveries/"+id).Problem(t, 403, "role_required")
		customer.Post(t, "/deliveries/"+id+"/retry", nil).Problem(t, 403, "role_required")
	})
}
