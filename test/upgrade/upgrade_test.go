// Package upgrade_test starts today's program on the databases of an earlier
// version, which make-fixture made, and requires that nothing is lost: what the
// old program answered, today's program answers too, and what the old program left
// undone, today's program does.
package upgrade_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
	"troupe/test/invariants"
)

const (
	graceEmail = "grace@example.com"
	password   = "a customer's own passphrase"

	// timeout bounds what should take milliseconds, on a machine that is busy.
	timeout      = 60 * time.Second
	pollInterval = 20 * time.Millisecond
)

// The events that notifications had parked, and the dead letter of orders.
const (
	retried   = "01900000-0000-7000-8000-0000000000aa" // order.delivered.v1, to be tried again
	abandoned = "01900000-0000-7000-8000-0000000000bb" // order.shipped.v1, given up
	poison    = "01900000-0000-7000-8000-00000000dead" // stock.reserved.v1 that cannot be read
)

// upgraded is today's system on the databases of the earlier version.
type upgraded struct {
	*cluster.Cluster
	fixture
	admin, grace *client.Client
}

func TestDatabasesOfTheEarlierVersionAreUpgraded(t *testing.T) {
	t.Parallel()
	for kind, start := range map[string]func(*testing.T) *upgraded{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.admin = s.login(t, cluster.AdminEmail, cluster.AdminPassword)
			s.grace = s.login(t, graceEmail, password)
			// In order: what was left undone changes the stock, and a new order more so.
			for _, step := range []struct {
				name string
				test func(*testing.T, *upgraded)
			}{
				{"accounts and sessions are kept", accountsAndSessionsAreKept},
				{"orders that had ended are kept", endedOrdersAreKept},
				{"notifications and mails are kept", notificationsAndMailsAreKept},
				{"products are kept", productsAreKept},
				{"a repeated request gets its first answer", repeatedRequestsGetTheirFirstAnswer},
				{"parked events are handled", parkedEventsAreHandled},
				{"orders that were on their way are paid", ordersOnTheirWayArePaid},
				{"a new order is paid", newOrderIsPaid},
				{"all accounts agree", allAccountsAgree},
			} {
				t.Run(step.name, func(t *testing.T) { step.test(t, s) })
			}
		})
	}
}

func accountsAndSessionsAreKept(t *testing.T, s *upgraded) {
	s.requireSame(t, s.grace, "/users/me", "me")
	_, err := client.New(s.URL("gateway")).Login(t.Context(), "gone@example.com", password)
	requireProblem(t, err, 400)

	requireProblem(t, s.refresh(t, "ended-session"), 400)
	require.NoError(t, s.refresh(t, "session"), "an old session can be continued")
	databases := s.open(t)
	for service := range databases {
		if !s.has(service) {
			continue
		}
		var n int
		require.NoError(t, databases[service].QueryRow(t.Context(), "SELECT count(*) FROM revoked_sessions").Scan(&n))
		require.Positive(t, n, "%s forgot which sessions had ended", service)
	}
}

func endedOrdersAreKept(t *testing.T, s *upgraded) {
	for _, name := range s.named("order-") {
		t.Run(name, func(t *testing.T) {
			var o client.Order
			s.decode(t, "order-"+name, &o)
			s.requireSame(t, s.grace, "/orders/"+o.ID, "order-"+name)
			s.requireSame(t, s.grace, "/orders/"+o.ID+"/timeline", "timeline-"+name)
			var payments struct {
				Items []json.RawMessage `json:"items"`
			}
			require.NoError(t, s.grace.Get(t.Context(), "/payments?order_id="+o.ID, &payments))
			require.Len(t, payments.Items, 1)
			require.Equal(t, withoutTimes(t, s.answers["payment-"+name]), withoutTimes(t, payments.Items[0]))
		})
	}
}

// notification is an entry of GET /notifications.
type notification struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Title   string    `json:"title"`
	Body    string    `json:"body"`
	OrderID string    `json:"order_id"`
	ReadAt  time.Time `json:"read_at"`
}

type notificationPage struct {
	Items []notification `json:"items"`
}

// notifications returns those of the customer, by id.
func (s *upgraded) notifications(t *testing.T) map[string]notification {
	t.Helper()
	var page notificationPage
	require.NoError(t, s.grace.Get(t.Context(), "/notifications?limit=100", &page))
	return byID(page)
}

func byID(page notificationPage) map[string]notification {
	all := map[string]notification{}
	for _, n := range page.Items {
		all[n.ID] = n
	}
	return all
}

func notificationsAndMailsAreKept(t *testing.T, s *upgraded) {
	var old notificationPage
	s.decode(t, "notifications", &old)
	kinds, now := map[string]bool{}, s.notifications(t)
	for id, was := range byID(old) {
		is := now[id]
		kinds[was.Kind] = true
		require.Equal(t, was.Kind, is.Kind)
		require.Equal(t, was.OrderID, is.OrderID)
		require.NotEmpty(t, is.Title, "the title of %s", was.Kind)
		require.NotEmpty(t, is.Body, "the body of %s", was.Kind)
		require.Equal(t, was.ReadAt.IsZero(), is.ReadAt.IsZero(), "%s is as read as it was", was.Kind)
	}
	for _, kind := range []string{"order.created", "order.paid", "order.cancelled", "order.shipped", "order.delivered", "payment.declined", "payment.refunded"} {
		require.Contains(t, kinds, kind, "the earlier version had sent it")
	}

	var mails struct {
		Items []struct {
			Subject string `json:"subject"`
		} `json:"items"`
	}
	mailbox := client.New(s.URL("notifications"))
	require.NoError(t, mailbox.Get(t.Context(), "/mailbox.json?limit=1000&to="+url.QueryEscape(graceEmail), &mails))
	var subjects, oldSubjects []string
	for _, m := range mails.Items {
		subjects = append(subjects, m.Subject)
	}
	s.decode(t, "subjects", &oldSubjects)
	require.NotEmpty(t, oldSubjects)
	require.Subset(t, subjects, oldSubjects)
}

func productsAreKept(t *testing.T, s *upgraded) {
	type product struct {
		SKU, Name, Description string
		Price                  struct{ Amount int64 }
		Available              int64
	}
	type page struct{ Items []product }
	var was, is page
	s.decode(t, "products", &was)
	require.NoError(t, s.admin.Get(t.Context(), "/products?limit=100", &is))
	require.Len(t, is.Items, len(was.Items))
	for i := range was.Items {
		if was.Items[i].SKU == "lantern" { // the orders that were on their way take some
			was.Items[i].Available = is.Items[i].Available
		}
	}
	require.Equal(t, was, is)
}

func repeatedRequestsGetTheirFirstAnswer(t *testing.T, s *upgraded) {
	grace, admin := s.grace, s.admin
	order := func(name string) (o client.Order) { s.decode(t, name, &o); return o }
	var refunded struct{ ID string }
	s.decode(t, "refund", &refunded)
	for _, again := range []struct {
		caller            *client.Client
		path, key, answer string
		body              any
	}{
		{client.New(s.URL("gateway")), "/users", "register-grace", "registered", map[string]any{"email": graceEmail, "name": "G. Hopper", "password": password}},
		{grace, "/orders", "paid", "placed-paid", orderBody("programme", 2)},
		{admin, "/orders/" + order("deliver").ID + "/deliver", "deliver", "deliver", nil},
		{admin, "/products/programme/stock", "restock", "restock", map[string]any{"delta": -5, "reason": "water damage"}},
		{admin, "/payments/" + refunded.ID + "/refund", "refund", "refund", map[string]any{"reason": "arrived broken"}},
	} {
		t.Run(again.answer, func(t *testing.T) {
			var answer json.RawMessage
			require.NoError(t, again.caller.WithIdempotencyKey(again.key).Post(t.Context(), again.path, again.body, &answer))
			require.JSONEq(t, string(s.answers[again.answer]), string(answer))
		})
	}
}

func parkedEventsAreHandled(t *testing.T, s *upgraded) {
	notifications := s.admin.WithBase(s.URL("notifications"))
	require.Eventually(t, func() bool { return s.notifications(t)[retried].Kind == "order.delivered" },
		timeout, pollInterval, "the event that waited for another attempt is handled")
	require.NotContains(t, s.notifications(t), abandoned)
	require.NoError(t, notifications.Post(t.Context(), "/dead-letters/"+abandoned+"/replay", nil, nil))
	require.Eventually(t, func() bool { return s.notifications(t)[abandoned].Kind == "order.shipped" },
		timeout, pollInterval, "the dead letter is handled when it is replayed")

	orders := s.admin.WithBase(s.URL("orders"))
	s.requireSame(t, orders, "/dead-letters/"+poison, "dead-letter")
	var list struct {
		Items []struct {
			EventID string `json:"event_id"`
		} `json:"items"`
	}
	require.NoError(t, orders.Get(t.Context(), "/dead-letters?state=dead", &list))
	require.Len(t, list.Items, 1)
	require.Equal(t, poison, list.Items[0].EventID)
}

func ordersOnTheirWayArePaid(t *testing.T, s *upgraded) {
	left := s.named("placed-left-")
	require.NotEmpty(t, left)
	for _, n := range left {
		var first client.Order
		s.decode(t, "placed-left-"+n, &first)
		var again json.RawMessage
		require.NoError(t, s.grace.WithIdempotencyKey("left-"+n).Post(t.Context(), "/orders", orderBody("lantern", 1), &again))
		require.JSONEq(t, string(s.answers["placed-left-"+n]), string(again), "the customer who got no answer asks again")
		s.awaitPaid(t, first.ID)
	}
}

func newOrderIsPaid(t *testing.T, s *upgraded) {
	o, err := s.grace.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	s.awaitPaid(t, o.ID)
	_, err = s.grace.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "tote-bag", Quantity: 1})
	require.Error(t, err, "the product was taken off the list")
}

// allAccountsAgree requires that stock and money add up, over all orders, the old ones included.
func allAccountsAgree(t *testing.T, s *upgraded) {
	require.NoError(t, invariants.Always(t.Context(), s.open(t)))
}

func orderBody(sku string, quantity int) map[string]any {
	return map[string]any{
		"payment_method": "pm_card_visa", "items": []any{map[string]any{"sku": sku, "quantity": quantity}},
		"shipping_address": map[string]any{
			"name": "Grace Hopper", "line1": "1 Harbor Street", "city": "Arlington", "postal_code": "22201", "country": "US",
		},
	}
}

func (s *upgraded) login(t *testing.T, email, password string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL("gateway")).Login(t.Context(), email, password)
	require.NoError(t, err)
	return c
}

// refresh continues a session of the earlier version by its refresh token.
func (s *upgraded) refresh(t *testing.T, session string) error {
	t.Helper()
	var tokens struct {
		RefreshToken string `json:"refresh_token"`
	}
	s.decode(t, session, &tokens)
	return postForm(t, s.URL("gateway")+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}})
}

// requireSame requires that a response is what the earlier version answered, apart
// from times, which the fixture has moved, and from fields that it did not have.
func (s *upgraded) requireSame(t *testing.T, c *client.Client, path, answer string) {
	t.Helper()
	var now json.RawMessage
	require.NoError(t, c.Get(t.Context(), path, &now))
	was := withoutTimes(t, s.answers[answer])
	require.Equal(t, was, withoutNew(withoutTimes(t, now), was))
}

func (s *upgraded) awaitPaid(t *testing.T, orderID string) {
	t.Helper()
	var o client.Order
	require.Eventually(t, func() bool {
		var err error
		o, err = s.grace.Order(t.Context(), orderID)
		return err == nil && o.Status == "confirmed" && o.PaymentState == "captured"
	}, timeout, pollInterval, "order %s is not paid: %v", orderID, &o)
}

func requireProblem(t *testing.T, err error, status int) {
	t.Helper()
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, status, problem.Status, "%v", problem)
}

// withoutTimes returns a document without the members that hold a time.
func withoutTimes(t *testing.T, document json.RawMessage) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(document, &v))
	return drop(v)
}

// withoutNew returns now without the fields that was does not have.
func withoutNew(now, was any) any {
	switch was := was.(type) {
	case map[string]any:
		now, _ := now.(map[string]any)
		kept := map[string]any{}
		for name := range was {
			if value, ok := now[name]; ok {
				kept[name] = withoutNew(value, was[name])
			}
		}
		return kept
	case []any:
		now, _ := now.([]any)
		for i := range min(len(now), len(was)) {
			now[i] = withoutNew(now[i], was[i])
		}
		return now
	}
	return now
}

func drop(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if name == "at" || name == "first_failed" || name == "next_try" || strings.HasSuffix(name, "_at") {
				delete(v, name)
				continue
			}
			v[name] = drop(value)
		}
	case []any:
		for i := range v {
			v[i] = drop(v[i])
		}
	}
	return v
}
