package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"troupe/patterns/audit"
	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/sqldb"
)

// The kinds of sample orders.
const (
	samplePaid       = "paid"
	sampleDeclined   = "declined"
	sampleOutOfStock = "out_of_stock"
)

// errReadOnly is the error for what a console that only shows does not do.
var errReadOnly = fault.New(fault.Forbidden, "console_readonly", "this console only shows; set CONSOLE_MODE=full to act in it")

// errNoSamples is the error for sample orders where customers order.
var errNoSamples = fault.New(fault.Forbidden, "no_sample_orders", "there are no sample orders in production; they are placed where TROUPE_ENV is development")

// sampleCustomer is the customer in whose name sample orders are placed. The account is
// registered with the first one, and forgotten when the process ends.
type sampleCustomer struct {
	mu              sync.Mutex
	email, password string
}

type sampleOrderRequest struct {
	Body struct {
		Kind string `json:"kind" enum:"paid,declined,out_of_stock"`
	}
}

type sampleOrderResponse struct {
	Body struct {
		OrderID string `json:"order_id"`
	}
}

func (c *console) registerSampleOrder(api *httpapi.API) {
	customer := &sampleCustomer{}
	place := func(ctx context.Context, in *sampleOrderRequest) (*sampleOrderResponse, error) {
		return c.placeSample(ctx, customer, in.Body.Kind)
	}
	httpapi.Post(api, "/console/api/sample-order", place, httpapi.RequireRole(auth.Admin), httpapi.Status(http.StatusCreated),
		httpapi.Summary("Place a sample order"))
}

// placeSample places a real order through the gateway, as a customer would.
func (c *console) placeSample(ctx context.Context, customer *sampleCustomer, kind string) (*sampleOrderResponse, error) {
	switch {
	case c.Production:
		return nil, errNoSamples
	case c.Mode != modeFull:
		return nil, errReadOnly
	}
	err := c.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return c.Audit.Record(ctx, tx, audit.Entry{Action: "place_sample_order", Target: kind})
	})
	if err != nil {
		return nil, err
	}
	item, err := c.sampleItem(ctx, kind)
	if err != nil {
		return nil, err
	}
	token, err := customer.signIn(ctx, c)
	if err != nil {
		return nil, err
	}
	method := "pm_card_visa"
	if kind == sampleDeclined {
		method = "pm_card_chargeDeclined"
	}
	var placed struct {
		ID string `json:"id"`
	}
	err = c.callPeer(ctx, peerRequest{
		service: "gateway", method: http.MethodPost, path: "/orders", authorization: "Bearer " + token, key: c.NewID(),
		body: map[string]any{"items": []sampleItem{item}, "payment_method": method},
	}, &placed)
	if err != nil {
		return nil, refusedSample(err)
	}
	out := &sampleOrderResponse{}
	out.Body.OrderID = placed.ID
	return out, nil
}

func refusedSample(err error) error {
	return fault.New(fault.Unavailable, "sample_order_refused", "the order could not be placed: %v; try again when the services run", err).WithCause(err)
}

type sampleItem struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// sampleItem returns what to order: one piece of what there is most of, or more than there
// is of what there is least of.
func (c *console) sampleItem(ctx context.Context, kind string) (sampleItem, error) {
	type product struct {
		SKU       string `json:"sku"`
		Available int64  `json:"available"`
	}
	var page struct{ Items []product }
	if err := c.callPeer(ctx, peerRequest{service: "gateway", method: http.MethodGet, path: "/products?limit=100"}, &page); err != nil {
		return sampleItem{}, refusedSample(err)
	}
	if len(page.Items) == 0 {
		return sampleItem{}, fault.New(fault.Conflict, "no_products", "there is no product to order; add one with PUT /products/{sku}")
	}
	byStock := func(a, b product) int { return cmp.Compare(a.Available, b.Available) }
	if kind == sampleOutOfStock {
		scarce := slices.MinFunc(page.Items, byStock)
		return sampleItem{scarce.SKU, scarce.Available + 1}, nil
	}
	most := slices.MaxFunc(page.Items, byStock)
	if most.Available == 0 {
		return sampleItem{}, fault.New(fault.Conflict, "nothing_in_stock", "nothing is in stock; add some with POST /products/{sku}/stock")
	}
	return sampleItem{most.SKU, 1}, nil
}

// signIn returns an access token of the sample customer, who is registered the first time.
func (s *sampleCustomer) signIn(ctx context.Context, c *console) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.email == "" {
		email, password := ascii.Lower("sample-"+rand.Text()[:10]+"@example.com"), rand.Text()
		account := map[string]string{"email": email, "password": password, "name": "Sample Customer"}
		if err := c.callPeer(ctx, peerRequest{service: "gateway", method: http.MethodPost, path: "/users", body: account}, nil); err != nil {
			return "", refusedSample(err)
		}
		s.email, s.password = email, password
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"password"}, "username": {s.email}, "password": {s.password}}
	if err := c.callPeer(ctx, peerRequest{service: "gateway", method: http.MethodPost, path: "/token", form: form}, &token); err != nil {
		s.email = "" // the account may be gone: another one is registered the next time
		return "", refusedSample(err)
	}
	return token.AccessToken, nil
}
