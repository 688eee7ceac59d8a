package test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/client"
)

// problemCode returns the code of a problem document; "" if the body is none.
func problemCode(body []byte) string {
	var problem struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return ""
	}
	return problem.Code
}

const validOrder = `{"items":[{"sku":"lantern","quantity":1}],"payment_method":"pm_card_visa"}`

func orderOf(items string) string {
	return fmt.Sprintf(`{"items":%s,"payment_method":"pm_card_visa"}`, items)
}

// An invalid order is answered with a problem document, and changes nothing.
func TestAnInvalidOrderIsRejected(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada := s.newCustomer(t)
		for name, r := range map[string]struct {
			body        string
			contentType string
			status      int
		}{
			"unknown SKU":             {body: orderOf(`[{"sku":"nope","quantity":1}]`), status: 422},
			"no SKU":                  {body: orderOf(`[{"quantity":1}]`), status: 422},
			"zero":                    {body: orderOf(`[{"sku":"lantern","quantity":0}]`), status: 422},
			"negative":                {body: orderOf(`[{"sku":"lantern","quantity":-1}]`), status: 422},
			"fraction":                {body: orderOf(`[{"sku":"lantern","quantity":1.5}]`), status: 422},
			"huge quantity":           {body: orderOf(`[{"sku":"lantern","quantity":99999999999999999999}]`), status: 422},
			"the same SKU twice":      {body: orderOf(`[{"sku":"lantern","quantity":1},{"sku":"lantern","quantity":1}]`), status: 422},
			"nothing ordered":         {body: orderOf(`[]`), status: 422},
			"items is null":           {body: orderOf(`null`), status: 422},
			"too many lines":          {body: orderOf("[" + strings.Repeat(`{"sku":"lantern","quantity":1},`, 100) + `{"sku":"lantern","quantity":1}]`), status: 422},
			"own price":               {body: orderOf(`[{"sku":"lantern","quantity":1,"unit_price":{"amount":1,"currency":"EUR"}}]`), status: 422},
			"no payment method":       {body: `{"items":[{"sku":"lantern","quantity":1}]}`, status: 422},
			"card number":             {body: `{"items":[{"sku":"lantern","quantity":1}],"payment_method":"4242424242424242"}`, status: 422},
			"cut off":                 {body: validOrder[:20], status: 400},
			"two documents":           {body: validOrder + validOrder, status: 400},
			"not JSON":                {body: "sku=lantern", status: 400},
			"empty":                   {body: "", status: 400},
			"NUL in text":             {body: orderOf(`[{"sku":"lan\u0000tern","quantity":1}]`), status: 400},
			"a wrong content type":    {body: validOrder, contentType: "text/plain", status: 415},
			"deeply nested":           {body: strings.Repeat("[", 20_000), status: 400},
			"larger than an order is": {body: orderOf(`[{"sku":"` + strings.Repeat("x", 40<<10) + `","quantity":1}]`), status: 413},
		} {
			t.Run(name, func(t *testing.T) {
				a := s.send(t, rawRequest{method: "POST", path: "/orders", body: r.body, header: map[string]string{
					"Authorization": "Bearer " + ada.Token(), "Content-Type": cmp.Or(r.contentType, "application/json"),
				}})
				require.Equal(t, r.status, a.status, "%s", a.body)
				require.NotEmpty(t, a.code, "%s", a.body)
				require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			})
		}
		var list struct {
			Items []client.Order `json:"items"`
		}
		require.NoError(t, ada.Get(t.Context(), "/orders", &list))
		require.Empty(t, list.Items)
		require.EqualValues(t, 10, s.available(t, "lantern"))
	})
}

func TestARequestWithoutAValidTokenIsUnauthorized(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		ada := s.newCustomer(t)
		parts := strings.Split(ada.Token(), ".")
		for name, token := range map[string]string{
			"none":             "",
			"malformed":        "Bearer rubbish",
			"another scheme":   "Basic " + parts[1],
			"unsigned":         "Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".",
			"signature cut":    "Bearer " + parts[0] + "." + parts[1] + "." + parts[2][:20],
			"another's claims": "Bearer " + parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
		} {
			t.Run(name, func(t *testing.T) {
				header := map[string]string{}
				if token != "" {
					header["Authorization"] = token
				}
				for _, path := range []string{"/orders", "/users/me", "/notifications", "/payments"} {
					a := s.send(t, rawRequest{method: "GET", path: path, header: header})
					require.Equal(t, 401, a.status, "%s: %s", path, a.body)
					require.NotEmpty(t, a.code)
					require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
				}
			})
		}
	})
}

func TestCustomersCannotAccessEachOthersOrders(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		s.addProduct(t, "lantern", 1299, 10)
		ada, eve := s.newCustomer(t), s.newCustomer(t)
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.NoError(t, err)
		s.awaitEvent(t, ada, placed.ID, "order.paid.v1")
		_, err = eve.Order(t.Context(), placed.ID)
		require.ErrorContains(t, err, "404")
		_, err = eve.Timeline(t.Context(), placed.ID)
		require.ErrorContains(t, err, "404")
		require.ErrorContains(t, eve.CancelOrder(t.Context(), placed.ID), "404")
		for _, path := range []string{"/orders/" + placed.ID + "/ship", "/products/lantern/stock"} {
			require.ErrorContains(t, eve.Post(t.Context(), path, map[string]any{"delta": 1, "reason": "mine"}, nil), "403", path)
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
		}
		require.NoError(t, eve.Get(t.Context(), "/payments?order_id="+placed.ID, &page))
		require.Empty(t, page.Items)
		require.NoError(t, eve.Get(t.Context(), "/orders", &page))
		require.Empty(t, page.Items)
	})
}

func TestACustomerCannotRegisterAsAdmin(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		a := s.send(t, rawRequest{
			method: "POST", path: "/users", header: map[string]string{"Content-Type": "application/json"},
			body: `{"email":"eve@example.com","password":"a long enough password","name":"Eve","role":"admin"}`,
		})
		require.Equal(t, 422, a.status, "%s", a.body)
	})
}

func TestInternalRoutesAreNotExposed(t *testing.T) {
	eachShape(t, func(t *testing.T, s *system) {
		for _, path := range []string{
			"/", "/dead-letters", "/mailbox", "/mail-preview", "/usersx", "/orders-internal", "/tokens",
			"/orders/../dead-letters", "/orders/%2e%2e/dead-letters", "/openapi", "/products/a%2fb",
		} {
			a := s.send(t, rawRequest{method: "GET", path: path, header: map[string]string{"Authorization": "Bearer " + s.admin.Token()}})
			require.Contains(t, []int{400, 404}, a.status, "%s: %s", path, a.body)
		}
	})
}
