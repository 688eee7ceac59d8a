package client

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"troupe/platform/money"
)

// Order is an order as the API returns it.
type Order struct {
	ID           string      `json:"id"`
	Status       string      `json:"status"`
	PaymentState string      `json:"payment_state"`
	StockState   string      `json:"stock_state"`
	CancelReason string      `json:"cancel_reason"`
	Items        []Line      `json:"items"`
	Total        money.Money `json:"total"`
	CreatedAt    time.Time   `json:"created_at"`
}

// Line is a line of an order.
type Line struct {
	SKU       string      `json:"sku"`
	Name      string      `json:"name"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unit_price"`
}

// TimelineEntry is something that happened to an order: What is the event's type.
type TimelineEntry struct {
	ID     string    `json:"event_id"`
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	By     string    `json:"by"`
	Detail string    `json:"detail"`
}

// Item is a product and how much of it a customer orders.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// PlaceOrder places an order for the items and returns it.
func (c *Client) PlaceOrder(ctx context.Context, paymentMethod string, items ...Item) (Order, error) {
	var o Order
	err := c.Post(ctx, "/orders", map[string]any{"items": items, "payment_method": paymentMethod}, &o)
	return o, err
}

// Order returns an order.
func (c *Client) Order(ctx context.Context, id string) (Order, error) {
	var o Order
	err := c.Get(ctx, "/orders/"+url.PathEscape(id), &o)
	return o, err
}

// Timeline returns what happened to an order, the oldest first.
func (c *Client) Timeline(ctx context.Context, id string) ([]TimelineEntry, error) {
	var timeline struct {
		Items []TimelineEntry `json:"items"`
	}
	err := c.Get(ctx, "/orders/"+url.PathEscape(id)+"/timeline", &timeline)
	return timeline.Items, err
}

// CancelOrder cancels an order.
func (c *Client) CancelOrder(ctx context.Context, id string) error {
	return c.Post(ctx, "/orders/"+url.PathEscape(id)+"/cancel", nil, nil)
}

// Product is something that can be ordered.
type Product struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Available int64  `json:"available"`
}

// InStock returns the products that can be ordered, by falling stock.
func (c *Client) InStock(ctx context.Context) ([]Product, error) {
	var page struct {
		Items []Product `json:"items"`
	}
	if err := c.Get(ctx, "/products?limit=100", &page); err != nil {
		return nil, err
	}
	products := slices.DeleteFunc(page.Items, func(p Product) bool { return p.Available == 0 })
	if len(products) == 0 {
		return nil, errors.New("nothing is in stock: add some with POST /products/{sku}/stock")
	}
	slices.SortFunc(products, func(a, b Product) int { return cmp.Compare(b.Available, a.Available) })
	return products, nil
}

// NotifiedOrders returns the number of orders about which the user was notified.
func (c *Client) NotifiedOrders(ctx context.Context) (int, error) {
	var page struct {
		Items []struct {
			OrderID string `json:"order_id"`
		} `json:"items"`
	}
	if err := c.Get(ctx, "/notifications?limit=100", &page); err != nil {
		return 0, err
	}
	orders := map[string]bool{}
	for _, n := range page.Items {
		if n.OrderID != "" {
			orders[n.OrderID] = true
		}
	}
	return len(orders), nil
}
