package notifications_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/services/notifications"
	"troupe/test/pushservice"
)

// runWithPush runs a test of the service whose only push service is one for tests.
func runWithPush(t *testing.T, test func(t *testing.T, h *servicetest.Harness, p *pushservice.Service), o ...servicetest.Option) {
	t.Helper()
	p := pushservice.Start(t)
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) { test(t, h, p) }, append([]servicetest.Option{
		servicetest.Setting("NOTIFICATIONS_PUSH_SERVICES", p.Host+",push.rebound.test"), servicetest.Setting("NOTIFICATIONS_PUSH_NETWORKS", "127.0.0.0/8"),
		servicetest.Setting("NOTIFICATIONS_PUSH_CA", p.CA),
	}, o...)...)
}

func pushKey(t *testing.T, h *servicetest.Harness) string {
	t.Helper()
	return h.Anonymous().Get(t, "/push/key").Want(t, 200).Field(t, "public_key")
}

// subscribed returns a new browser that receives the pushes of a user.
func subscribed(t *testing.T, h *servicetest.Harness, p *pushservice.Service, user string) *pushservice.Browser {
	t.Helper()
	b := p.Subscribe(t, pushKey(t, h), h.Now)
	h.As(user, auth.User).Post(t, "/push/subscriptions", b.JSON()).Want(t, 201, "endpoint", b.Endpoint)
	return b
}

// subscriptions returns how many browsers of a user are subscribed.
func subscriptions(t *testing.T, h *servicetest.Harness, user string) int {
	t.Helper()
	var page struct{ Items []object }
	h.As(user, auth.User).Get(t, "/push/subscriptions").Want(t, 200).JSON(t, &page)
	return len(page.Items)
}

func TestABrowserIsSubscribedOnce(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		mine := h.As(ada, auth.User)
		id := mine.Get(t, "/push/subscriptions").Want(t, 200, "items.0.endpoint", b.Endpoint, "items.1", nil).Field(t, "items.0.id")
		mine.Post(t, "/push/subscriptions", b.JSON()).Want(t, 201, "id", id)
		subscribed(t, h, p, ada)
		require.Equal(t, 2, subscriptions(t, h, ada))

		h.As(eve, auth.User).Delete(t, "/push/subscriptions/"+id).Problem(t, 404, "push_subscription_not_found")
		require.Equal(t, 204, mine.Delete(t, "/push/subscriptions/"+id).Status)
		require.Equal(t, 1, subscriptions(t, h, ada))
		require.Equal(t, 204, mine.Delete(t, "/push/subscriptions").Status)
		require.Zero(t, subscriptions(t, h, ada))
		h.Anonymous().Post(t, "/push/subscriptions", b.JSON()).Problem(t, 401, "token_missing")
	})
}

func TestABrowserReceivesThePushesOfWhomeverIsSignedInThere(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		h.As(eve, auth.User).Post(t, "/push/subscriptions", b.JSON()).Want(t, 201)
		require.Zero(t, subscriptions(t, h, ada), "Eve signed in there after Ada")
		h.Consumes(t, adaRegistered, paid)
		require.Empty(t, b.Received())

		forged := p.Subscribe(t, "", h.Now).JSON()
		forged["endpoint"] = b.Endpoint
		h.As(ada, auth.User).Post(t, "/push/subscriptions", forged).Problem(t, 409, "push_endpoint_taken")
		require.Equal(t, 1, subscriptions(t, h, eve), "who does not have the keys does not have the browser")
	})
}

func TestABadSubscriptionChangesNothing(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		good := p.Subscribe(t, "", h.Now)
		offCurve := make([]byte, 65)
		offCurve[0], offCurve[64] = 4, 1
		for name, c := range map[string]struct{ member, value, code string }{
			"the metadata server":          {"endpoint", "https://169.254.169.254/latest/meta-data", "push_endpoint_not_permitted"},
			"a service of our own":         {"endpoint", "https://127.0.0.1:8001/users", "push_endpoint_not_permitted"},
			"a name inside the network":    {"endpoint", "https://postgres.internal/", "push_endpoint_not_permitted"},
			"the IPv6 loopback":            {"endpoint", "https://[::1]/", "push_endpoint_not_permitted"},
			"an address as a number":       {"endpoint", "https://2130706433/", "push_endpoint_not_permitted"},
			"another port":                 {"endpoint", "https://push.rebound.test:8001/x", "push_endpoint_not_permitted"},
			"no TLS":                       {"endpoint", "http://push.rebound.test/x", "push_endpoint_not_permitted"},
			"a user name":                  {"endpoint", "https://push.rebound.test@evil.test/x", "push_endpoint_not_permitted"},
			"a host that ends alike":       {"endpoint", "https://evilpush.rebound.test/x", "push_endpoint_not_permitted"},
			"no URL":                       {"endpoint", "javascript:alert(1)", "push_endpoint_not_permitted"},
			"a key off the curve":          {"p256dh", base64.RawURLEncoding.EncodeToString(offCurve), "push_keys_invalid"},
			"a key that is too short":      {"p256dh", "BP4z", "push_keys_invalid"},
			"a key that is no base64":      {"p256dh", "!!!", "push_keys_invalid"},
			"an auth secret of 15 bytes":   {"auth", base64.RawURLEncoding.EncodeToString(make([]byte, 15)), "push_keys_invalid"},
			"an auth secret of 17 bytes":   {"auth", base64.RawURLEncoding.EncodeToString(make([]byte, 17)), "push_keys_invalid"},
			"a key that the shop has not":  {"application_server_key", "BP4z", "push_key_unknown"},
			"a member that does not exist": {"contentEncodings", "aesgcm", "validation_failed"},
		} {
			t.Run(name, func(t *testing.T) {
				body := good.JSON()
				if c.member == "p256dh" || c.member == "auth" {
					body["keys"].(object)[c.member] = c.value
				} else {
					body[c.member] = c.value
				}
				h.As(ada, auth.User).Post(t, "/push/subscriptions", body).Problem(t, 422, c.code)
				require.Zero(t, subscriptions(t, h, ada))
			})
		}
	})
}

// The endpoint was permitted when it was stored; its name resolves to a private address.
func TestAPushNeverGoesToAPrivateAddress(t *testing.T) {
	p := pushservice.Start(t)
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		b := p.Subscribe(t, pushKey(t, h), h.Now)
		body := b.JSON()
		body["endpoint"] = "https://localhost" + b.Endpoint[len("https://127.0.0.1"):]
		h.As(ada, auth.User).Post(t, "/push/subscriptions", body).Want(t, 201)
		h.Consumes(t, adaRegistered, paid)
		require.Zero(t, b.Requests())
		pushes(t, h, "deferred").Want(t, 200, "items.0.kind", "order.paid", "items.0.attempts", 1)
	}, servicetest.Setting("NOTIFICATIONS_PUSH_SERVICES", "localhost"+p.Host[len("127.0.0.1"):]), servicetest.Setting("NOTIFICATIONS_PUSH_CA", p.CA))
}

func TestACustomerHasOnlySoManySubscriptions(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		first := subscribed(t, h, p, ada)
		subscribed(t, h, p, ada)
		third := p.Subscribe(t, "", h.Now)
		h.As(ada, auth.User).Post(t, "/push/subscriptions", third.JSON()).Problem(t, 409, "too_many_push_subscriptions")
		h.As(ada, auth.User).Post(t, "/push/subscriptions", first.JSON()).Want(t, 201)
		require.Equal(t, 2, subscriptions(t, h, ada))
		h.As(eve, auth.User).Post(t, "/push/subscriptions", third.JSON()).Want(t, 201)
	}, servicetest.Setting("NOTIFICATIONS_PUSH_SUBSCRIPTIONS", "2"))
}

func TestASubscriptionEndsWithItsSession(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		b := subscribed(t, h, p, ada)
		h.Consumes(t, adaRegistered, events.SessionRevoked{SessionID: "session-" + ada, UserID: ada, Until: events.Time{Time: h.Now().Add(time.Minute)}})
		h.Advance(time.Hour)
		h.Settle(t)
		require.Zero(t, subscriptions(t, h, ada))
		h.Consumes(t, paid)
		require.Empty(t, b.Received(), "a thief who was signed out must not read on")
	})
}

func TestAfterARotationOldSubscriptionsKeepTheirKey(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		key := pushKey(t, h)
		require.Equal(t, key, pushKey(t, h))
		before := subscribed(t, h, p, ada)
		late := p.Subscribe(t, key, h.Now)
		h.As(ada, auth.User).Post(t, "/push/key/rotate", nil).Problem(t, 403, "role_required")
		rotated := h.As("admin", auth.Admin).Post(t, "/push/key/rotate", nil).Want(t, 200).Field(t, "public_key")
		require.NotEqual(t, key, rotated)
		require.Equal(t, rotated, pushKey(t, h))
		after := subscribed(t, h, p, ada)
		body := late.JSON()
		body["application_server_key"] = key
		h.As(ada, auth.User).Post(t, "/push/subscriptions", body).Want(t, 201)

		h.Consumes(t, adaRegistered, paid)
		for _, b := range []*pushservice.Browser{before, late, after} {
			require.Len(t, b.Received(), 1, "a push service refuses another key")
		}
		h.As("admin", auth.Admin).Get(t, "/audit/notifications").Want(t, 200, "items.0.action", "rotate_push_key", "items.0.target", rotated)
	})
}

// Someone who has read the database could send pushes in the name of the shop.
func TestAfterALeakAllSubscriptionsEnd(t *testing.T) {
	runWithPush(t, func(t *testing.T, h *servicetest.Harness, p *pushservice.Service) {
		key := pushKey(t, h)
		leaked := subscribed(t, h, p, ada)
		late := p.Subscribe(t, key, h.Now)
		h.As("admin", auth.Admin).Post(t, "/push/key/rotate?end_subscriptions=true", nil).Want(t, 200)
		require.Zero(t, subscriptions(t, h, ada))
		require.Zero(t, countRows(t, h.DB, "SELECT COUNT(*) FROM push_subscriptions"))
		require.Equal(t, 1, countRows(t, h.DB, "SELECT COUNT(*) FROM push_keys"), "the private key is gone")
		body := late.JSON()
		body["application_server_key"] = key
		h.As(ada, auth.User).Post(t, "/push/subscriptions", body).Problem(t, 422, "push_key_unknown")

		after := subscribed(t, h, p, ada)
		h.Consumes(t, adaRegistered, paid)
		require.Empty(t, leaked.Received())
		require.Len(t, after.Received(), 1)
	})
}

func TestThePushPageRunsOnlyItsOwnScripts(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		for path, contentType := range map[string]string{
			"/push": "text/html", "/push/page.js": "text/javascript", "/push/worker.js": "text/javascript", "/push/page.css": "text/css",
		} {
			file := h.Anonymous().Get(t, path)
			require.Equal(t, 200, file.Status)
			require.Equal(t, contentType+"; charset=utf-8", file.Header("Content-Type"))
			require.Contains(t, file.Header("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
		}
	})
}

func TestProductionHasNoPushPage(t *testing.T) {
	servicetest.Run(t, notifications.Service, func(t *testing.T, h *servicetest.Harness) {
		require.Equal(t, 404, h.Anonymous().Get(t, "/push").Status)
		require.Equal(t, 200, h.Anonymous().Get(t, "/push/key").Status)
	}, servicetest.Setting("TROUPE_ENV", "production"))
}
