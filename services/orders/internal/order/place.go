package order

import (
	"errors"
	"fmt"
	"time"

	"troupe/platform/fault"
	"troupe/platform/money"
)

// Item is a quantity of a product that a customer requests.
type Item struct {
	SKU      string
	Quantity int64
}

// Product is a product that can be ordered, at its current price.
type Product struct {
	SKU    string
	Name   string
	Price  money.Money
	Active bool
	// Available is how many pieces inventory last reported, if StockKnown. It is only a
	// hint: inventory decides whether there are enough.
	Available  int64
	StockKnown bool
}

// PlaceOrder is a customer's request to place an order.
type PlaceOrder struct {
	UserID        string
	Items         []Item
	PaymentMethod string
	ShipTo        *Address
	// Expected is the total that the customer was shown; nil if any will do.
	Expected *money.Money
}

// ValidateItems refuses a request that names a product twice: only the customer knows
// whether the sum is meant or it is a mistake.
func (p PlaceOrder) ValidateItems() error {
	seen := make(map[string]bool, len(p.Items))
	for i, item := range p.Items {
		if seen[item.SKU] {
			return fault.New(fault.Invalid, "sku_repeated", "a product is listed twice; combine the quantities into one item").
				WithField(field(i, "sku"), fmt.Sprintf("%s is listed in an earlier item", item.SKU))
		}
		seen[item.SKU] = true
	}
	return nil
}

// Place returns the pending order that p requests, at the prices of products, with a
// deadline after timeout. It fails with fault.Invalid for a product that is not on
// offer, for a total that cannot be computed and for an address that cannot be right, and
// with fault.Conflict if the total is not the expected one.
func Place(id string, p PlaceOrder, products map[string]Product, now time.Time, timeout time.Duration) (*Order, error) {
	lines, err := p.price(products)
	if err != nil {
		return nil, err
	}
	total, err := totalOf(lines)
	if err != nil {
		return nil, err
	}
	if err := p.checkTotal(total); err != nil {
		return nil, err
	}
	shipTo, err := p.Address()
	if err != nil {
		return nil, err
	}
	return &Order{
		ID: id, UserID: p.UserID, Lines: lines, Total: total,
		PaymentMethod: p.PaymentMethod, ShipTo: shipTo,
		Deadline: now.Add(timeout), CreatedAt: now, UpdatedAt: now, Version: 1,
		State: State{Status: Pending, Facts: Facts{Stock: StockUnknown, Payment: MoneyUnknown}},
	}, nil
}

// checkTotal returns fault.Conflict if the customer was shown another total.
func (p PlaceOrder) checkTotal(total money.Money) error {
	if p.Expected == nil || *p.Expected == total {
		return nil
	}
	e := fault.New(fault.Conflict, "price_changed",
		"the order costs %s now, not %s; show the customer the new total, and send it again as expected_total", total, *p.Expected)
	return e.WithField("body.expected_total", fmt.Sprintf("is %s now", total))
}

// Address returns the address in the form in which it is stored; nil if there is none. It
// fails if the address lacks what its country needs.
func (p PlaceOrder) Address() (*Address, error) {
	if p.ShipTo == nil {
		return nil, nil //nolint:nilnil // an order may have no address
	}
	a, err := p.ShipTo.Normalize()
	return &a, err
}

// price returns the order's lines at the prices of products.
func (p PlaceOrder) price(products map[string]Product) ([]Line, error) {
	lines := make([]Line, len(p.Items))
	for i, item := range p.Items {
		product, known := products[item.SKU]
		switch {
		case !known:
			return nil, fault.New(fault.Invalid, "sku_unknown", "an item is not in the catalogue; GET /products lists the products on offer").
				WithField(field(i, "sku"), fmt.Sprintf("%s is unknown", item.SKU))
		case !product.Active:
			return nil, fault.New(fault.Invalid, "sku_inactive", "an item is not on sale at the moment; leave it out").
				WithField(field(i, "sku"), fmt.Sprintf("%s is not on sale", item.SKU))
		}
		lines[i] = Line{SKU: product.SKU, Name: product.Name, Quantity: item.Quantity, UnitPrice: product.Price}
	}
	return lines, nil
}

// Total returns the price of the line.
func (l Line) Total() (money.Money, error) { return l.UnitPrice.Times(l.Quantity) }

func totalOf(lines []Line) (money.Money, error) {
	var total money.Money
	for i, line := range lines {
		price, err := line.Total()
		if err == nil {
			total, err = total.Add(price)
		}
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			return money.Money{}, f.WithField(field(i, ""), f.Message)
		}
		if err != nil {
			return money.Money{}, err
		}
	}
	return total, nil
}

func field(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("body.items[%d]", i)
	}
	return fmt.Sprintf("body.items[%d].%s", i, name)
}
