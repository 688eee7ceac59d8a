package inventory

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"troupe/platform/auth"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/money"
	"troupe/services/inventory/internal/store"
)

func (s *service) routes(api *httpapi.API) {
	httpapi.Get(api, "/products", s.listProducts, httpapi.Public(), httpapi.Summary("List what is on offer"))
	httpapi.Get(api, "/products/{sku}", s.getProduct, httpapi.Public(), httpapi.Summary("Show a product"))
	httpapi.Put(api, "/products/{sku}", s.putProduct, httpapi.RequireRole(auth.Admin), httpapi.Summary("Offer or change a product"),
		httpapi.Example(putProductInBody{Name: "Programme booklet", Description: "Cast, story and pictures of the rehearsals.", Price: money.Money{Amount: 600, Currency: "EUR"}}))
	httpapi.Post(api, "/products/{sku}/stock", s.adjustStock, httpapi.RequireRole(auth.Admin), httpapi.Summary("Bring in or write off stock"))
}

type productView struct {
	SKU         string      `json:"sku" readOnly:"true" example:"programme"`
	Name        string      `json:"name" example:"Programme booklet"`
	Description string      `json:"description,omitempty"`
	Price       money.Money `json:"price"`
	Active      bool        `json:"active" doc:"Whether it can be ordered at all"`
	Available   int64       `json:"available" readOnly:"true" doc:"How many can be ordered now"`
}

func viewOf(p store.Product) productView {
	return productView{SKU: p.SKU, Name: p.Name, Description: p.Description, Price: p.Price, Active: p.Active, Available: p.Available}
}

// tagOf returns the entity tag of a product. The stock changes with every order, and no PUT
// overwrites it.
func tagOf(p store.Product) httpapi.ETag {
	return httpapi.NewETag(strconv.FormatInt(p.Version, 10), strconv.FormatInt(p.Available, 10))
}

type productResponse struct {
	Status int
	ETag   httpapi.ETag `header:"ETag"`
	Body   productView
}

type productsResponse struct {
	Body httpapi.Page[productView]
}

type listProductsRequest struct{ httpapi.PageQuery }

func (s *service) listProducts(ctx context.Context, in *listProductsRequest) (*productsResponse, error) {
	after, err := in.After()
	if err != nil {
		return nil, err
	}
	products, err := store.ActiveProducts(ctx, s.DB, after, in.Fetch())
	if err != nil {
		return nil, err
	}
	return &productsResponse{httpapi.PageOf(in.PageQuery, products, func(p store.Product) string { return p.SKU }, viewOf)}, nil
}

type getProductRequest struct {
	httpapi.ConditionalGet
	SKU string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
}

func (s *service) getProduct(ctx context.Context, in *getProductRequest) (*productResponse, error) {
	p, found, err := store.FindProduct(ctx, s.DB, in.SKU)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, missingProduct(in.SKU)
	}
	return &productResponse{Status: http.StatusOK, ETag: tagOf(p), Body: viewOf(p)}, nil
}

// highestPrice keeps the total of any order far from an overflow.
const highestPrice = 1_000_000_000

type putProductRequest struct {
	httpapi.Conditional
	SKU  string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
	Body putProductInBody
}

// putProductInBody is named after its schema in the API document.
type putProductInBody struct {
	Name        string      `json:"name" minLength:"1" maxLength:"200" example:"Programme booklet"`
	Description string      `json:"description,omitempty" format:"multiline" maxLength:"2000"`
	Price       money.Money `json:"price" doc:"At least 1 minor unit"`
	Active      *bool       `json:"active,omitempty" doc:"false takes the product off the list; true if absent"`
	SKU         *string     `json:"sku,omitempty" readOnly:"true"`
	Available   *int64      `json:"available,omitempty" readOnly:"true" doc:"POST /products/{sku}/stock changes it"`
}

// check returns an error if the request is not meant for the product as it is, which is
// zero if it does not exist.
func (in *putProductRequest) check(old store.Product) error {
	var tag httpapi.ETag
	if old.Version > 0 {
		tag = tagOf(old)
	}
	if err := in.Check(tag); err != nil {
		return err
	}
	now := viewOf(old)
	if sent := in.Body.Available; sent != nil {
		if read := (store.Product{Version: old.Version, Available: *sent}); in.Names(tagOf(read)) {
			now.Available = *sent // it was so in the response that the change is based on
		}
	}
	return httpapi.CheckReadOnly(in.Body, now)
}

func (s *service) putProduct(ctx context.Context, in *putProductRequest) (*productResponse, error) {
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
	}, in.check)
	if errors.Is(err, store.ErrLostRace) {
		err = in.Overtaken(fault.New(fault.Conflict, "product_changed",
			"product %s was changed by another request at the same moment; read it and send your change again", in.SKU).WithCause(err))
	}
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	return &productResponse{Status: status, ETag: tagOf(p), Body: viewOf(p)}, nil
}

type adjustStockRequest struct {
	SKU            string `path:"sku" pattern:"^[A-Za-z0-9._-]{1,64}$" example:"programme"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"Repeat a request with the same key and it takes effect once"`
	Body           postStockInBody
}

// postStockInBody is named after its schema in the API document.
type postStockInBody struct {
	Delta  int64  `json:"delta" doc:"How many pieces to add; a negative number writes them off" example:"25"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" example:"delivery 4711"`
}

type stockView struct {
	SKU       string `json:"sku"`
	Stocked   int64  `json:"stocked" doc:"Brought in, minus what was written off: the sum of the other three"`
	Available int64  `json:"available" doc:"Can be ordered now"`
	Held      int64  `json:"held" doc:"Reserved for orders that are not yet confirmed"`
	Committed int64  `json:"committed" doc:"Committed to confirmed orders"`
}

type stockResponse struct {
	Body stockView
}

func (s *service) adjustStock(ctx context.Context, in *adjustStockRequest) (*stockResponse, error) {
	if in.Body.Delta == 0 {
		return nil, fault.New(fault.Invalid, "delta_zero", "a delta of 0 changes nothing; send how many pieces to add, or a negative number to write them off").
			WithField("body.delta", "must not be 0")
	}
	l, err := s.adjust(ctx, adjustment{
		SKU: in.SKU, Delta: in.Body.Delta, Reason: in.Body.Reason, ByID: auth.CallerOf(ctx).UserID, Key: in.IdempotencyKey,
	})
	if err != nil {
		return nil, err
	}
	return &stockResponse{Body: stockView{SKU: l.SKU, Stocked: l.Stocked, Available: l.Available, Held: l.Held, Committed: l.Committed}}, nil
}
