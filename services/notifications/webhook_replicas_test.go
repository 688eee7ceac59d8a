package notifications_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/events"
	"troupe/patterns/event"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
	"troupe/services/notifications"
	"troupe/services/notifications/internal/store"
	"troupe/services/notifications/internal/webhook"
)

func TestReplicasSendEachEventToAWebhookOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const orders = 60
	sqldbtest.Each(t, func(t *testing.T, db sqldb.DB) {
		erp := newReceiver(t)
		require.NoError(t, db.Tx(t.Context(), func(ctx context.Context, tx sqldb.Tx) error {
			return store.SaveWebhook(ctx, tx, store.Webhook{
				ID: newID(), URL: erp.url, Events: []string{"order.created.v1", "order.paid.v1", "order.shipped.v1"},
				Secret: webhook.NewSecret(), Enabled: true, CreatedAt: time.Now(), UpdatedAt: time.Now(),
			})
		}))
		replicas := []*app.Instance{replica(t, db, ""), replica(t, db, ""), replica(t, db, "")}
		for _, r := range replicas {
			for _, w := range r.Workers {
				if strings.HasSuffix(w.Name, "-webhooks") {
					go w.Run(t.Context(), r.Env.Log) // ends with the test
				}
			}
		}
		payloads := []event.Payload{adaRegistered}
		for range orders {
			id := newID()
			first, second := created, paid
			first.OrderID, second.OrderID = id, id
			payloads = append(payloads, first, second, events.OrderShipped{OrderID: id, UserID: ada})
		}
		consume(t, replicas[0], payloads...)
		require.Eventually(t, func() bool { return len(erp.types()) >= 3*orders }, time.Minute, 5*time.Millisecond)

		next := map[any]string{}
		for _, m := range erp.got {
			want := next[m.Data["order_id"]]
			if want == "" {
				want = "order.created.v1"
			}
			require.Equal(t, want, m.Type)
			next[m.Data["order_id"]] = map[string]string{"order.created.v1": "order.paid.v1", "order.paid.v1": "order.shipped.v1"}[m.Type]
		}
		require.Equal(t, 3*orders, erp.called(), "an event was sent twice")
	}, app.Migrations(notifications.Service)...)
}
