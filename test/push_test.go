package test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/platform/sqldb"
	"troupe/test/pushservice"
)

func TestACustomersBrowserReceivesThatTheOrderIsPaid(t *testing.T) {
	p := pushservice.Start(t)
	eachShapeWith(t, p.Settings(), func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		browser := subscribeBrowser(t, p, ada)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 3})
		require.NoError(t, err)
		awaitPush(t, browser, "order.paid", placed.ID)
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/ship", nil, nil))
		push := awaitPush(t, browser, "order.shipped", placed.ID)
		require.Equal(t, "Your order has been shipped", push.Title)

		require.NoError(t, ada.Delete(t.Context(), "/push/subscriptions"))
		before := browser.Requests()
		require.NoError(t, s.admin.Post(t.Context(), "/orders/"+placed.ID+"/deliver", nil, nil))
		s.awaitEvent(t, ada, placed.ID, "order.delivered.v1")
		awaitQuiet(t, openDatabases(t, s.Cluster))
		require.Equal(t, before, browser.Requests())
	})
}

// Browsers that subscribed before a rotation go on receiving, by the key that they know.
func TestTheOperatorRotatesThePushKey(t *testing.T) {
	p := pushservice.Start(t)
	eachInstallation(t, p.Settings(), func(t *testing.T, s *installation) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		before := subscribeBrowser(t, p, ada)
		require.Equal(t, before.AppKey+"\n", s.troupe(t, "notify", "push-key"))
		rotated := s.troupe(t, "notify", "push-key", "rotate")
		after := subscribeBrowser(t, p, ada)
		require.Equal(t, rotated, after.AppKey+"\n")
		require.NotEqual(t, before.AppKey, after.AppKey)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		awaitPush(t, before, "order.paid", placed.ID)
		awaitPush(t, after, "order.paid", placed.ID)
	})
}

// subscribeBrowser returns a new browser that receives the pushes of a customer.
func subscribeBrowser(t *testing.T, p *pushservice.Service, customer *client.Client) *pushservice.Browser {
	t.Helper()
	var key struct {
		PublicKey string `json:"public_key"`
	}
	require.NoError(t, customer.Get(t.Context(), "/push/key", &key))
	b := p.Subscribe(t, key.PublicKey, time.Now)
	require.NoError(t, customer.Post(t.Context(), "/push/subscriptions", b.JSON(), nil))
	return b
}

// awaitPush waits until a browser has received a push of a kind about an order.
func awaitPush(t *testing.T, b *pushservice.Browser, kind, orderID string) (found pushservice.Push) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, push := range b.Received() {
			if push.Kind == kind && push.OrderID == orderID {
				found = push
				return true
			}
		}
		return false
	}, timeout, pollInterval, "no push %s about order %s", kind, orderID)
	return found
}

// browsers are those of the customers of a load generator.
type browsers struct {
	t       *testing.T
	service *pushservice.Service

	mu  sync.Mutex
	all []*pushservice.Browser
}

func newBrowsers(t *testing.T) *browsers {
	t.Helper()
	return &browsers{t: t, service: pushservice.Start(t)}
}

// subscribe subscribes a browser of a new customer. A repetition subscribes another one,
// because the answer to the first may be lost.
func (b *browsers) subscribe(ctx context.Context, customer *client.Client) error {
	browser := b.service.Subscribe(b.t, "", time.Now)
	b.mu.Lock()
	b.all = append(b.all, browser)
	b.mu.Unlock()
	return customer.Post(ctx, "/push/subscriptions", browser.JSON(), nil)
}

// requireReceived requires that every push in state "sent" was received. After a crash
// some are received again: the browser shows one notification, because they have one tag.
func (b *browsers) requireReceived(t *testing.T, notifications sqldb.DB) {
	t.Helper()
	type push struct{ endpoint, orderID, kind string }
	sent, err := sqldb.All(t.Context(), notifications, func(r sqldb.Row) (p push, err error) {
		err = r.Scan(&p.endpoint, &p.orderID, &p.kind)
		return p, err
	}, "SELECT s.endpoint, d.order_id, d.kind FROM deliveries d JOIN push_subscriptions s ON s.id = d.target WHERE d.state = 'sent'")
	require.NoError(t, err)
	require.NotEmpty(t, sent)
	received := map[push]bool{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, browser := range b.all {
		for _, r := range browser.Received() {
			received[push{browser.Endpoint, r.OrderID, r.Kind}] = true
		}
	}
	for _, p := range sent {
		require.True(t, received[p], "%v was not received", p)
	}
}
