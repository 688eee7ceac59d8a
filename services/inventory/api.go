package inventory

import (
	"context"
	"net/http"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/services/inventory/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Get(api, "/products", s.getProducts, httpapi.Public(), httpapi.Summary("List what is on offer"))
	httpapi.Get(api, "/products/{sku}", s.getProduct, httpapi.Public(), httpapi.Summary("Show a product"))
	httpapi.Put(api, "/products/{sku}", s.putProduct, httpapi.RequireRole(auth.Admin), httpapi.Summary("Offer or change a product"))
	httpapi.Post(api, "/products/{sku}/stock", s.postStock, httpapi.RequireRole(auth.Admin), httpapi.Summary("Bring in or write off stock"))
}

type productView struct {
	SKU         string      `json:"sku" example:"programme"`
	Name        string      `json:"name" example:"Programme booklet"`
	Description string      `json:"description,omitempty"`
	Price       money.Money `json:"price"`
	Active      bool        `json:"active" doc:"Whether it can be ordered at all"`
	Available   int64       `json:"available" doc:"How many can be ordered now"`
}

func viewOf(p store.Product) productView {
	return productView{SKU: p.SKU, Name: p.Name, Description: p.Description, Price: p.Price, Active: p.Active, Available: p.Available}
}

type productOut struct {
	Status int
	Body   productView
}

type productsOut struct {
	Body httpapi.Page[productView]
}

func (s *service) getProducts(ctx context.Context, in *httpapi.PageQuery) (*productsOut, error) {
	after, err := in.After()
	if err != nil {
		return nil, err
	}
	products, err := store.ActiveProducts(ctx, s.db, after, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &productsOut{httpapi.PageOf(*in, products, func(p store.Product) string { return p.SKU }, viewOf)}, nil
}

type getProductIn struct {
	SKU string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
}

func (s *service) getProduct(ctx context.Context, in *getProductIn) (*productOut, error) {
	p, found, err := store.FindProduct(ctx, s.db, in.SKU)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, unknownProduct(in.SKU)
	}
	return &productOut{Status: http.StatusOK, Body: viewOf(p)}, nil
}

// highestPrice keeps any order's total far from overflow.
const highestPrice = 1_000_000_000

type putProductIn struct {
	SKU  string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
	Body struct {
		Name        string      `json:"name" minLength:"1" maxLength:"200" pattern:"\\S" example:"Programme booklet"`
		Description string      `json:"description,omitempty" maxLength:"2000"`
		Price       money.Money `json:"price" doc:"At least 1 minor unit"`
		Active      *bool       `json:"active,omitempty" doc:"false takes it off the list; true if absent"`
	}
}

func (s *service) putProduct(ctx context.Context, in *putProductIn) (*productOut, error) {
	price, err := money.New(in.Body.Price.Amount, in.Body.Price.Currency)
	if err != nil {
		return nil, err
	}
	if price.Amount < 1 || price.Amount > highestPrice {
		return nil, fault.New(fault.Invalid, "price_out_of_range", "a price is 1 to %d minor units", int64(highestPrice)).
			WithField("body.price.amount", "is out of range")
	}
	p, added, err := s.offer(ctx, store.Product{
		SKU: in.SKU, Name: in.Body.Name, Description: in.Body.Description, Price: price,
		Active: in.Body.Active == nil || *in.Body.Active,
	})
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	return &productOut{Status: status, Body: viewOf(p)}, nil
}

type postStockIn struct {
	SKU            string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"Repeat a request with the same key and it takes effect once"`
	Body           struct {
		Delta  int64  `json:"delta" doc:"How many more there are; below zero: fewer" example:"25"`
		Reason string `json:"reason" minLength:"1" maxLength:"200" example:"delivery 4711"`
	}
}

type stockView struct {
	SKU       string `json:"sku"`
	Stocked   int64  `json:"stocked" doc:"Brought in, less what was written off: the sum of the other three"`
	Available int64  `json:"available" doc:"Can be ordered now"`
	Held      int64  `json:"held" doc:"Set aside for orders that are not yet confirmed"`
	Committed int64  `json:"committed" doc:"Left for confirmed orders"`
}

type stockOut struct {
	Body stockView
}

func (s *service) postStock(ctx context.Context, in *postStockIn) (*stockOut, error) {
	if in.Body.Delta == 0 {
		return nil, fault.New(fault.Invalid, "delta_zero", "a delta of 0 changes nothing; send how many came in, or, below zero, went out").
			WithField("body.delta", "must not be 0")
	}
	caller, _ := auth.CallerFrom(ctx)
	l, err := s.adjust(ctx, adjustment{
		SKU: in.SKU, Delta: in.Body.Delta, Reason: in.Body.Reason, ByID: caller.UserID, Key: in.IdempotencyKey,
	})
	if err != nil {
		return nil, err
	}
	return &stockOut{Body: stockView{SKU: l.SKU, Stocked: l.Stocked, Available: l.Available, Held: l.Held, Committed: l.Committed}}, nil
}
