package orders_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/servicetest"
	"troupe/events"
	"troupe/platform/auth"
	"troupe/platform/sqldb"
)

func TestInvalidOrdersAreRefused(t *testing.T) {
	const pay = `"payment_method":"pm_card_visa"`
	items := func(list string) string { return `{"items":[` + list + `],` + pay + `}` }
	address := func(field, value string) string {
		fields := `"name":"Ada","line1":"1 Road","city":"London","postal_code":"N1 9GU","country":"GB"`
		changed := regexp.MustCompile(`"`+field+`":"[^"]*"`).ReplaceAllString(fields, `"`+field+`":"`+value+`"`)
		return `{"items":[{"sku":"tea","quantity":1}],` + pay + `,"shipping_address":{` + changed + `}}`
	}
	many := strings.TrimSuffix(strings.Repeat(`{"sku":"tea","quantity":1},`, 101), ",")
	refused := map[string]struct {
		body   string
		status int
		code   string
		at     string
	}{
		"no body":                    {``, 400, "malformed_body", ""},
		"no JSON":                    {`{"items":`, 400, "malformed_body", ""},
		"two documents":              {twoTeas + twoTeas, 400, "malformed_body", ""},
		"a list":                     {`[]`, 422, "validation_failed", "body"},
		"nothing":                    {`{}`, 422, "validation_failed", "body"},
		"null":                       {`null`, 422, "validation_failed", ""},
		"no items":                   {items(``), 422, "validation_failed", "body.items"},
		"null for items":             {`{"items":null,` + pay + `}`, 422, "validation_failed", "body.items"},
		"null for an item":           {items(`null`), 422, "validation_failed", "body.items[0]"},
		"too many items":             {items(many), 422, "validation_failed", "body.items"},
		"no sku":                     {items(`{"quantity":1}`), 422, "validation_failed", "body.items[0]"},
		"an empty sku":               {items(`{"sku":"","quantity":1}`), 422, "validation_failed", "body.items[0].sku"},
		"an odd sku":                 {items(`{"sku":"te a","quantity":1}`), 422, "validation_failed", "body.items[0].sku"},
		"a sku with a tail":          {items(`{"sku":"tea\n","quantity":1}`), 422, "validation_failed", "body.items[0].sku"},
		"NUL in a sku":               {items(`{"sku":"tea\u0000","quantity":1}`), 400, "malformed_body", ""},
		"a long sku":                 {items(`{"sku":"` + strings.Repeat("a", 65) + `","quantity":1}`), 422, "validation_failed", "body.items[0].sku"},
		"no quantity":                {items(`{"sku":"tea"}`), 422, "validation_failed", "body.items[0]"},
		"a quantity of 0":            {items(`{"sku":"tea","quantity":0}`), 422, "validation_failed", "body.items[0].quantity"},
		"a negative quantity":        {items(`{"sku":"tea","quantity":-1}`), 422, "validation_failed", "body.items[0].quantity"},
		"a quantity above the limit": {items(`{"sku":"tea","quantity":1001}`), 422, "validation_failed", "body.items[0].quantity"},
		"a quantity above 64 bits":   {items(`{"sku":"tea","quantity":99999999999999999999}`), 422, "validation_failed", "body.items[0].quantity"},
		"half a piece":               {items(`{"sku":"tea","quantity":0.5}`), 422, "validation_failed", "body.items[0].quantity"},
		"a quantity in words":        {items(`{"sku":"tea","quantity":"2"}`), 422, "validation_failed", "body.items[0].quantity"},
		"the client's price":         {items(`{"sku":"tea","quantity":1,"unit_price":{"amount":1,"currency":"EUR"}}`), 422, "validation_failed", "body.items[0].unit_price"},
		"the client's total":         {`{"items":[{"sku":"tea","quantity":1}],` + pay + `,"total":{"amount":1,"currency":"EUR"}}`, 422, "validation_failed", "body.total"},
		"another user's order":       {`{"items":[{"sku":"tea","quantity":1}],` + pay + `,"user_id":"bob"}`, 422, "validation_failed", "body.user_id"},
		"a product twice":            {items(`{"sku":"tea","quantity":1},{"sku":"cup","quantity":1},{"sku":"tea","quantity":2}`), 422, "sku_repeated", "body.items[2].sku"},
		"an unknown product":         {items(`{"sku":"tea","quantity":1},{"sku":"coffee","quantity":1}`), 422, "sku_unknown", "body.items[1].sku"},
		"a withdrawn product":        {items(`{"sku":"ghost","quantity":1}`), 422, "sku_inactive", "body.items[0].sku"},
		"two currencies":             {items(`{"sku":"tea","quantity":1},{"sku":"scone","quantity":1}`), 422, "currency_mixed", "body.items[1]"},
		"a line total too large":     {items(`{"sku":"moon","quantity":2}`), 422, "amount_too_large", "body.items[0]"},
		"a total too large":          {items(`{"sku":"moon","quantity":1},{"sku":"tea","quantity":1}`), 422, "amount_too_large", "body.items[1]"},
		"no payment method":          {`{"items":[{"sku":"tea","quantity":1}]}`, 422, "validation_failed", "body"},
		"card data":                  {`{"items":[{"sku":"tea","quantity":1}],"payment_method":"4242424242424242"}`, 422, "validation_failed", "body.payment_method"},
		"an odd token":               {`{"items":[{"sku":"tea","quantity":1}],"payment_method":"pm_x y"}`, 422, "validation_failed", "body.payment_method"},
		"a long token":               {`{"items":[{"sku":"tea","quantity":1}],"payment_method":"pm_` + strings.Repeat("a", 65) + `"}`, 422, "validation_failed", "body.payment_method"},
		"an incomplete address":      {`{"items":[{"sku":"tea","quantity":1}],` + pay + `,"shipping_address":{"name":"Ada"}}`, 422, "validation_failed", "body.shipping_address"},
		"a blank name":               {address("name", "  "), 422, "validation_failed", "body.shipping_address.name"},
		"a long city":                {address("city", strings.Repeat("L", 101)), 422, "validation_failed", "body.shipping_address.city"},
		"a country in words":         {address("country", "England"), 422, "country_unknown", "body.shipping_address.country"},
		"a country that is none":     {address("country", "UK"), 422, "country_unknown", "body.shipping_address.country"},
		"a line break in a name":     {address("name", `Ada\r\nBcc: x@evil.example`), 422, "validation_failed", "body.shipping_address.name"},
		"BEL in a line":              {address("line1", `1\tSt\u0007`), 422, "validation_failed", "body.shipping_address.line1"},
		"text from right to left":    {address("city", `\u202enodnoL`), 422, "validation_failed", "body.shipping_address.city"},
		"half a surrogate pair":      {address("name", `\ud800`), 422, "validation_failed", "body.shipping_address.name"},
		"a foreign postal code":      {address("postal_code", "22201"), 422, "address_incomplete", "body.shipping_address.postal_code"},
		"a string for an address":    {`{"items":[{"sku":"tea","quantity":1}],` + pay + `,"shipping_address":"London"}`, 422, "validation_failed", "body.shipping_address"},
	}
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		h.Consumes(t,
			events.ProductChanged{SKU: "ghost", Name: "Ghost", Price: eur(1), Version: 1},
			events.ProductChanged{SKU: "scone", Name: "Scone", Price: events.Money{Amount: 250, Currency: "GBP"}, Active: true, Version: 1},
			events.ProductChanged{SKU: "moon", Name: "Moon", Price: eur(1<<63 - 100), Active: true, Version: 1})
		for name, c := range refused {
			t.Run(name, func(t *testing.T) {
				response := ada.With("Idempotency-Key", name).Post(t, "/orders", c.body).Problem(t, c.status, c.code)
				require.NotEmpty(t, response.Field(t, "detail"))
				if c.at != "" {
					require.Equal(t, c.at, response.Field(t, "errors.0.location"))
				}
				h.PublishesNothing(t)
			})
		}
		ada.Get(t, "/orders").Want(t, 200, "items", []any{})
		for name := range refused {
			ada.With("Idempotency-Key", name).Post(t, "/orders", twoTeas).Want(t, 201)
		}
	}, servicetest.Setting("ORDERS_MAX_UNDECIDED_PER_CUSTOMER", "0"))
}

func TestOrdersAreVisibleOnlyToTheirCustomerAndAdmins(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		id := orderTeas(t, h, ada)
		bob, anonymous, admin := h.As("bob", auth.User), h.Anonymous(), h.As("root", auth.Admin)
		for _, path := range []string{"/orders/" + id, "/orders/" + id + "/timeline"} {
			anonymous.Get(t, path).Problem(t, 401, "token_missing")
			bob.Get(t, path).Problem(t, 404, "order_not_found")
			admin.Get(t, path).Want(t, 200)
		}
		anonymous.Get(t, "/orders").Problem(t, 401, "token_missing")
		anonymous.Post(t, "/orders", twoTeas).Problem(t, 401, "token_missing")
		bob.Post(t, "/orders/"+id+"/cancel", nil).Problem(t, 404, "order_not_found")
		for _, verb := range []string{"/ship", "/deliver"} {
			anonymous.Post(t, "/orders/"+id+verb, nil).Problem(t, 401, "token_missing")
			ada.Post(t, "/orders/"+id+verb, nil).Problem(t, 403, "role_required")
		}
		bob.Get(t, "/orders?user_id=ada").Problem(t, 403, "not_your_orders")
		bob.Get(t, "/orders").Want(t, 200, "items", []any{})
		h.PublishesNothing(t)
	})
}

func TestAnUnknownOrderIsNotFound(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		for _, id := range []string{"019b796d-d600-7000-8000-000000000099", "1", "%20", "a'b", strings.Repeat("9", 3000)} {
			ada.Get(t, "/orders/"+id).Problem(t, 404, "order_not_found")
			ada.Get(t, "/orders/"+id+"/timeline").Problem(t, 404, "order_not_found")
			ada.Post(t, "/orders/"+id+"/cancel", nil).Problem(t, 404, "order_not_found")
			h.As("root", auth.Admin).Post(t, "/orders/"+id+"/ship", nil).Problem(t, 404, "order_not_found")
		}
		var long strings.Builder // which cannot be compressed
		for n := range 1000 {
			long.WriteString(strconv.Itoa(n * n * n))
		}
		ada.With("Idempotency-Key", "k").Post(t, "/orders/"+long.String()+"/cancel", nil).Problem(t, 404, "order_not_found")
		ada.Get(t, "/orders/%00").Problem(t, 400, "malformed_url")
	})
}

func TestARepeatedRequestPlacesOneOrder(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		withKey := ada.With("Idempotency-Key", "once")
		first := withKey.Post(t, "/orders", twoTeas).Want(t, 201)
		h.Publishes(t, servicetest.Published[events.OrderCreated](t, h)[0])

		withdrawn := tea
		withdrawn.Version, withdrawn.Active = 2, false
		h.Consumes(t, withdrawn)
		again := withKey.Post(t, "/orders", twoTeas).Want(t, 201)
		require.JSONEq(t, string(first.Body), string(again.Body))
		require.Equal(t, first.Header("Location"), again.Header("Location"))
		h.PublishesNothing(t)

		withKey.Post(t, "/orders", `{"items":[{"sku":"cup","quantity":1}],"payment_method":"pm_card_visa"}`).
			Problem(t, 422, "idempotency_key_reused")
		ada.With("Idempotency-Key", strings.Repeat("k", 256)).Post(t, "/orders", twoTeas).Problem(t, 422, "validation_failed")
		h.As("bob", auth.User).With("Idempotency-Key", "once").
			Post(t, "/orders", `{"items":[{"sku":"cup","quantity":1}],"payment_method":"pm_card_visa"}`).Want(t, 201, "user_id", "bob")
	})
}

func TestARepeatedCommandGetsItsFirstAnswer(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		admin := h.As("root", auth.Admin).With("Idempotency-Key", "go")
		id := orderTeas(t, h, ada)
		h.Consumes(t, stockReserved(id), authorized(id), stockCommitted(id), captured(id))
		h.Publishes(t, confirmed(id), paid(id))
		shipped := admin.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "status", "shipped")
		admin.Post(t, "/orders/"+id+"/deliver", nil).Want(t, 200, "status", "delivered")
		again := admin.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "status", "shipped")
		require.JSONEq(t, string(shipped.Body), string(again.Body))
		h.Publishes(t, events.OrderShipped{OrderID: id, UserID: "ada"}, events.OrderDelivered{OrderID: id, UserID: "ada"})
	})
}

func TestAKeyIsForgottenAfterTwoDays(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		withKey := ada.With("Idempotency-Key", "once")
		first := withKey.Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		h.Advance(49 * time.Hour)
		h.Settle(t)
		second := h.As("ada", auth.User).With("Idempotency-Key", "once").Post(t, "/orders", twoTeas).Want(t, 201).Field(t, "id")
		require.NotEqual(t, first, second)
	})
}

func TestListingOrders(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		var ids []string
		for range 5 {
			h.Advance(time.Millisecond)
			ids = append(ids, orderTeas(t, h, ada))
		}
		bob := h.As("bob", auth.User)
		bobs := bob.Post(t, "/orders", twoTeas).Field(t, "id")
		h.Consumes(t, stockReserved(ids[1]), authorized(ids[1]))

		page := ada.Get(t, "/orders?limit=2").Want(t, 200, "items.0.id", ids[4], "items.1.id", ids[3])
		page = ada.Get(t, "/orders?limit=2&cursor="+page.Field(t, "next_cursor")).Want(t, 200, "items.0.id", ids[2], "items.1.id", ids[1])
		ada.Get(t, "/orders?limit=2&cursor="+page.Field(t, "next_cursor")).
			Want(t, 200, "items.0.id", ids[0], "items.1", nil, "next_cursor", nil)

		admin := h.As("root", auth.Admin)
		for path, want := range map[string][]string{
			"/orders":                              {bobs, ids[4], ids[3], ids[2], ids[1], ids[0]},
			"/orders?user_id=bob":                  {bobs},
			"/orders?status=confirmed":             {ids[1]},
			"/orders?user_id=ada&status=confirmed": {ids[1]},
			"/orders?user_id=bob&status=confirmed": {},
			"/orders?user_id=root":                 {},
		} {
			require.Equal(t, want, idsOf(t, admin.Get(t, path)), path)
		}
		require.Equal(t, []string{ids[1]}, idsOf(t, ada.Get(t, "/orders?status=confirmed&user_id=ada")))
	})
}

func idsOf(t *testing.T, a *servicetest.Response) []string {
	t.Helper()
	var page struct{ Items []struct{ ID string } }
	a.Want(t, 200).JSON(t, &page)
	ids := []string{}
	for _, o := range page.Items {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestInvalidListsAreRefused(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		for query, code := range map[string]string{
			"status=paid": "validation_failed",
			"limit=0":     "validation_failed",
			"limit=101":   "validation_failed",
			"limit=many":  "validation_failed",
			"cursor=x":    "cursor_invalid",
		} {
			ada.Get(t, "/orders?"+query).Problem(t, 422, code)
		}
	})
}

func TestADeletedAccountCancelsPendingOrdersAndErasesAddresses(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		admin := h.As("root", auth.Admin)
		order := func() string {
			return ada.Post(t, "/orders", `{"items":[{"sku":"tea","quantity":2}],"payment_method":"pm_card_visa",
				"shipping_address":{"name":"Ada","line1":"1 Road","city":"London","postal_code":"N1 9GU","country":"GB"}}`).Field(t, "id")
		}
		pending, sold, final, bobs := order(), order(), order(), h.As("bob", auth.User).Post(t, "/orders", twoTeas).Field(t, "id")
		h.Consumes(t, stockReserved(sold), authorized(sold), stockCommitted(sold), captured(sold))
		ada.Post(t, "/orders/"+final+"/cancel", nil).Want(t, 200)

		h.Consumes(t, events.UserDeleted{UserID: "ada", Version: 2})
		admin.Get(t, "/orders/"+pending).Want(t, 200, "status", "cancelled", "cancel_reason", "customer", "shipping_address", nil)
		admin.Get(t, "/orders/"+final).Want(t, 200, "status", "cancelled", "shipping_address", nil)
		admin.Get(t, "/orders/"+bobs).Want(t, 200, "status", "pending")
		admin.Get(t, "/orders/"+sold).Want(t, 200, "status", "confirmed", "shipping_address.city", "London")

		admin.Post(t, "/orders/"+sold+"/ship", nil).Want(t, 200, "shipping_address.city", "London")
		admin.Post(t, "/orders/"+sold+"/deliver", nil).Want(t, 200, "shipping_address", nil)
		admin.Get(t, "/orders/"+sold).Want(t, 200, "status", "delivered", "shipping_address", nil)
	})
}

func TestNoIdempotencyKeyKeepsAnAddress(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		body := `{"items":[{"sku":"tea","quantity":2}],"payment_method":"pm_card_visa",
			"shipping_address":{"name":"Ada","line1":"1 Road","city":"London","postal_code":"N1 9GU","country":"GB"}}`
		once := ada.With("Idempotency-Key", "k")
		id := once.Post(t, "/orders", body).Want(t, 201, "shipping_address.city", "London").Field(t, "id")
		once.Post(t, "/orders", body).Want(t, 201, "id", id, "shipping_address.city", "London")
		h.Consumes(t, stockReserved(id), authorized(id), stockCommitted(id), captured(id))
		ship := h.As("root", auth.Admin).With("Idempotency-Key", "k")
		ship.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "shipping_address.city", "London")

		require.Empty(t, keysWith(t, h, "%London%"))
		require.Len(t, keysWith(t, h, "ada %"), 1)
		h.Consumes(t, events.UserDeleted{UserID: "ada", Version: 2})
		require.Empty(t, keysWith(t, h, "ada %"))
		ship.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "status", "shipped", "shipping_address.city", "London")
		h.As("root", auth.Admin).Post(t, "/orders/"+id+"/deliver", nil).Want(t, 200)
		ship.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200, "status", "shipped", "shipping_address", nil)
	})
}

// keysWith returns the stored idempotency keys, as "caller answer", that are like pattern.
func keysWith(t *testing.T, h *servicetest.Harness, pattern string) []string {
	t.Helper()
	keys, err := sqldb.All(t.Context(), h.DB, func(r sqldb.Row) (key string, err error) { return key, r.Scan(&key) },
		"SELECT caller || ' ' || answer FROM idempotency_keys WHERE caller || ' ' || answer LIKE $1", pattern)
	require.NoError(t, err)
	return keys
}

func TestARevokedSessionCannotOrder(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		h.Consumes(t, events.SessionRevoked{SessionID: "session-ada", UserID: "ada", Until: events.Time{Time: h.Now().Add(10 * time.Minute)}})
		ada.Post(t, "/orders", twoTeas).Problem(t, 401, "session_revoked")
		h.PublishesNothing(t)
	})
}

func TestWhatAnAdminDoesToAnOrderIsAudited(t *testing.T) {
	run(t, func(t *testing.T, h *servicetest.Harness, ada *servicetest.Client) {
		admin := h.As("root", auth.Admin)
		id := orderTeas(t, h, ada)
		admin.Post(t, "/orders/"+id+"/ship", nil).Problem(t, 409, "order_not_paid")
		h.Consumes(t, stockReserved(id), authorized(id), stockCommitted(id), captured(id))
		admin.Post(t, "/orders/"+id+"/ship", nil).Want(t, 200)
		admin.Post(t, "/orders/"+id+"/deliver", nil).Want(t, 200)
		second, third := ada.Post(t, "/orders", twoTeas).Field(t, "id"), ada.Post(t, "/orders", twoTeas).Field(t, "id")
		admin.Post(t, "/orders/"+second+"/cancel", nil).Want(t, 200)
		ada.Post(t, "/orders/"+third+"/cancel", nil).Want(t, 200) // the timeline has it
		require.Equal(t, []string{
			"root POST /orders/{id}/ship refused /orders/" + id + "/ship",
			"root ship_order ok " + id, "root deliver_order ok " + id, "root cancel_order ok " + second,
		}, h.Audited(t))
	})
}
