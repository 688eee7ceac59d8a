package order

import (
	"errors"
	"fmt"
	"time"

	"troupe/platform/fault"
	"troupe/platform/money"
)

// Item is what a customer asks for.
type Item struct {
	SKU      string
	Quantity int64
}

// Product is what can be ordered, at its present price.
type Product struct {
	SKU    string
	Name   string
	Price  money.Money
	Active bool
	// Available is how many there were when inventory last said so, which it has
	// if StockKnown. It is a hint: whether there are enough is for inventory to say.
	Available  int64
	StockKnown bool
}

// Wish is a customer's request for an order.
type Wish struct {
	UserID        string
	Items         []Item
	PaymentMethod string
	ShipTo        *Address
}

// Unique refuses a wish that names a product twice: whether that means the sum
// or was a slip is the customer's to say.
func (w Wish) Unique() error {
	seen := make(map[string]bool, len(w.Items))
	for i, item := range w.Items {
		if seen[item.SKU] {
			return fault.New(fault.Invalid, "sku_repeated", "a product is listed twice; add the quantities up into one item").
				WithField(field(i, "sku"), fmt.Sprintf("%s is listed before", item.SKU))
		}
		seen[item.SKU] = true
	}
	return nil
}

// Place makes a pending order of a wish, at the prices of products, that waits
// for its stock and money for as long as patience says. Fails with fault.Invalid
// for a product that is not on offer and for a total that can not be reckoned.
func Place(id string, w Wish, products map[string]Product, now time.Time, patience time.Duration) (*Order, error) {
	lines, err := w.priced(products)
	if err != nil {
		return nil, err
	}
	total, err := totalOf(lines)
	if err != nil {
		return nil, err
	}
	return &Order{
		ID: id, UserID: w.UserID, Lines: lines, Total: total,
		PaymentMethod: w.PaymentMethod, ShipTo: w.ShipTo,
		Deadline: now.Add(patience), CreatedAt: now, UpdatedAt: now, Version: 1,
		State: State{Status: Pending, Facts: Facts{Stock: StockUnknown, Payment: MoneyUnknown}},
	}, nil
}

func (w Wish) priced(products map[string]Product) ([]Line, error) {
	lines := make([]Line, len(w.Items))
	for i, item := range w.Items {
		p, known := products[item.SKU]
		switch {
		case !known:
			return nil, fault.New(fault.Invalid, "sku_unknown", "an item is no product of ours; see GET /products for what is").
				WithField(field(i, "sku"), fmt.Sprintf("%s is unknown", item.SKU))
		case !p.Active:
			return nil, fault.New(fault.Invalid, "sku_inactive", "an item is not on sale at present; leave it out").
				WithField(field(i, "sku"), fmt.Sprintf("%s is not on sale", item.SKU))
		}
		lines[i] = Line{SKU: p.SKU, Name: p.Name, Quantity: item.Quantity, UnitPrice: p.Price}
	}
	return lines, nil
}

// Total is the line's price.
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
