package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"troupe/client"
)

// user is a virtual user: a customer, or the admin.
type user struct {
	generator       *Generator
	email, password string

	mu  sync.Mutex
	api *client.Client // nil until logged in
}

// placeOrder places one order and returns its id.
func (u *user) placeOrder(ctx context.Context, method string, item client.Item) (id string, err error) {
	key := rand.Text()
	var placed client.Order
	err = u.call(ctx, func(api *client.Client) (err error) {
		placed, err = api.WithIdempotencyKey(key).PlaceOrder(ctx, method, item)
		return err
	})
	if err == nil {
		u.generator.recordOrder(key, placed.ID)
	}
	return placed.ID, err
}

// cancel cancels the order at once, in any state.
func (u *user) cancel(ctx context.Context, id string) error {
	return u.call(ctx, func(api *client.Client) error { return api.CancelOrder(ctx, id) })
}

// cancelAfterDecision waits until the order is confirmed or cancelled, and cancels it then.
func (u *user) cancelAfterDecision(ctx context.Context, id string) error {
	if _, err := u.waitForOrder(ctx, id, func(o client.Order) bool { return o.Status != "pending" }); err != nil {
		return err
	}
	return u.cancel(ctx, id)
}

// shipAndDeliver waits until the order is paid, and marks it as shipped and as
// delivered, unless it is cancelled.
func (u *user) shipAndDeliver(ctx context.Context, id string) error {
	o, err := u.waitForOrder(ctx, id, func(o client.Order) bool { return o.Status == "cancelled" || o.PaymentState == "captured" })
	if err != nil || o.Status == "cancelled" {
		return err
	}
	for _, verb := range []string{"ship", "deliver"} {
		key := rand.Text()
		err := u.call(ctx, func(api *client.Client) error {
			err := api.WithIdempotencyKey(key).Post(ctx, "/orders/"+id+"/"+verb, nil, nil)
			if problem, answered := errors.AsType[*client.Problem](err); answered && problem.Code == "order_not_paid" {
				return errNotYet // the stock is not committed yet
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
	return nil
}

// waitForOrder waits until the condition is true of an order.
func (u *user) waitForOrder(ctx context.Context, id string, condition func(client.Order) bool) (o client.Order, err error) {
	err = u.call(ctx, func(api *client.Client) (err error) {
		if o, err = api.Order(ctx, id); err == nil && !condition(o) {
			err = errNotYet
		}
		return err
	})
	return o, err
}

// call calls as the user until there is an answer.
func (u *user) call(ctx context.Context, call func(*client.Client) error) error {
	return u.generator.retryUntilAnswered(ctx, func() error {
		api, err := u.login(ctx)
		if err != nil {
			return err
		}
		err = call(api)
		if problem, answered := errors.AsType[*client.Problem](err); answered && problem.Status == http.StatusUnauthorized {
			u.logout(api)
			return errNotYet // the token has expired
		}
		return err
	})
}

func (u *user) login(ctx context.Context) (*client.Client, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.api != nil {
		return u.api, nil
	}
	api, err := client.New(u.generator.Gateway).Login(ctx, u.email, u.password)
	if err == nil {
		u.api = api
	}
	return api, err
}

// logout forgets a client whose token has expired, unless there is a newer one.
func (u *user) logout(api *client.Client) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.api == api {
		u.api = nil
	}
}
