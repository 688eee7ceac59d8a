package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"troupe/client"
	"troupe/platform/ascii"
)

type demoCommand struct {
	URL     string        `default:"http://127.0.0.1:8000" env:"TROUPE_URL" help:"The gateway of the running system."`
	Timeout time.Duration `default:"60s" help:"How long one order may take."`
}

// scenario is one order and how it must end.
type scenario struct {
	title         string
	paymentMethod string
	choose        func(bestStockedFirst []client.Product) client.Item
	// cancelWhen is the step after which the customer cancels; "" means never.
	cancelWhen string
	status     string
	payment    string
	reason     string
	step       string // the last step of the scenario
}

// oneInStock returns an item that orders one piece of the best stocked product.
func oneInStock(products []client.Product) client.Item {
	return client.Item{SKU: products[0].SKU, Quantity: 1}
}

// moreThanInStock returns an item that orders more than there is of the product with
// the least stock.
func moreThanInStock(products []client.Product) client.Item {
	scarce := products[len(products)-1]
	return client.Item{SKU: scarce.SKU, Quantity: scarce.Available + 1}
}

var scenarios = []scenario{
	{
		title: "An order is paid", paymentMethod: "pm_card_visa", choose: oneInStock,
		status: "confirmed", payment: "captured", step: "order.paid.v1",
	},
	{
		title: "A card is declined", paymentMethod: "pm_card_chargeDeclined", choose: oneInStock,
		status: "cancelled", payment: "declined", reason: "payment_declined", step: "stock.released.v1",
	},
	{
		title: "A customer orders more than is in stock", paymentMethod: "pm_card_visa", choose: moreThanInStock,
		status: "cancelled", payment: "voided", reason: "stock_rejected", step: "payment.voided.v1",
	},
	{
		title: "A customer pays, then cancels", paymentMethod: "pm_card_visa", choose: oneInStock, cancelWhen: "order.paid.v1",
		status: "cancelled", payment: "refunded", reason: "customer", step: "payment.refunded.v1",
	},
	{
		title: "The payment provider times out after charging", paymentMethod: "pm_fake_timeout_then_charged", choose: oneInStock,
		status: "confirmed", payment: "captured", step: "order.paid.v1",
	},
}

// Run plays the scenarios one after the other and fails if any ends in another way.
func (c demoCommand) Run(ctx context.Context) error {
	customer, email, err := c.register(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("registered %s\n", email)
	var wrong []string
	for i, s := range scenarios {
		fmt.Printf("\n%d. %s\n", i+1, s.title)
		if err := c.play(ctx, os.Stdout, customer, s); err != nil {
			fmt.Printf("   WRONG: %v\n", err)
			wrong = append(wrong, s.title)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("these orders did not end as they should: %s", strings.Join(wrong, "; "))
	}
	if err := c.waitUntilNotified(ctx, customer); err != nil {
		return err
	}
	fmt.Println("\nAll orders ended as they should.")
	return nil
}

// register registers a new customer, so that the demo can be repeated.
func (c demoCommand) register(ctx context.Context) (*client.Client, string, error) {
	email := ascii.Lower("demo-" + rand.Text()[:10] + "@example.com")
	customer, err := client.New(c.URL).Register(ctx, email, rand.Text(), "Demo Customer")
	return customer, email, err
}

// play places the order of a scenario and follows it to its end.
func (c demoCommand) play(ctx context.Context, w io.Writer, customer *client.Client, s scenario) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	products, err := customer.InStock(ctx)
	if err != nil {
		return err
	}
	o, err := place(ctx, customer, s.paymentMethod, s.choose(products))
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	fmt.Fprintf(w, "   order %s: %d x %s with %s\n", o.ID, o.Items[0].Quantity, o.Items[0].Name, s.paymentMethod)
	if err := follow(ctx, w, customer, o, s); err != nil {
		return err
	}
	return s.check(ctx, customer, o.ID)
}

// place places an order. It retries while a product is unknown, because in a system that
// has just started the orders service receives the products as events, a little later
// than the inventory shows them.
func place(ctx context.Context, customer *client.Client, paymentMethod string, wanted client.Item) (client.Order, error) {
	for {
		o, err := customer.PlaceOrder(ctx, paymentMethod, wanted)
		refusal, refused := errors.AsType[*client.Problem](err)
		if !refused || refusal.Code != "sku_unknown" {
			return o, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return o, err
		}
	}
}

// follow prints each step as it happens, cancels the order when the scenario asks for
// it, and returns after the scenario's last step.
func follow(ctx context.Context, w io.Writer, customer *client.Client, o client.Order, s scenario) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	shown := map[string]bool{} // by id, because an earlier step may be recorded later
	cancelled, ended := false, false
	for !ended {
		steps, err := customer.Timeline(ctx, o.ID)
		if err != nil {
			return timeoutError(ctx, s, err)
		}
		for _, step := range steps {
			if shown[step.ID] {
				continue
			}
			shown[step.ID] = true
			printSteps(w, o.CreatedAt, []client.TimelineEntry{step})
			ended = ended || step.What == s.step
			if step.What == s.cancelWhen && !cancelled {
				cancelled = true
				if err := customer.CancelOrder(ctx, o.ID); err != nil {
					return fmt.Errorf("cancel: %w", err)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return timeoutError(ctx, s, ctx.Err())
		}
	}
	return nil
}

func timeoutError(ctx context.Context, s scenario, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s did not happen in time", s.step)
	}
	return err
}

// check compares how the order ended with how it should have.
func (s scenario) check(ctx context.Context, customer *client.Client, id string) error {
	o, err := customer.Order(ctx, id)
	if err != nil {
		return err
	}
	if o.Status != s.status || o.CancelReason != s.reason || o.PaymentState != s.payment {
		return fmt.Errorf("the order is %s%s with payment %s, not %s%s with payment %s",
			o.Status, reasonSuffix(o.CancelReason), o.PaymentState, s.status, reasonSuffix(s.reason), s.payment)
	}
	return nil
}

// waitUntilNotified waits until the customer's inbox has a message about every order.
func (c demoCommand) waitUntilNotified(ctx context.Context, customer *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		n, err := customer.NotifiedOrders(ctx)
		if err != nil {
			return err
		}
		if n >= len(scenarios) {
			fmt.Printf("\nThe customer was notified about all %d orders.\n", n)
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the customer was notified about %d orders instead of %d", n, len(scenarios))
		}
	}
}
