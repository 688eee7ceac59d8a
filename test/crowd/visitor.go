package crowd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"troupe/client"
)

// visitor is one customer, or the admin.
type visitor struct {
	crowd           *Crowd
	email, password string

	mu  sync.Mutex
	api *client.Client // nil until logged in
}

// order places one order and gives its id.
func (v *visitor) order(ctx context.Context, method string, wanted client.Item) (id string, err error) {
	key := rand.Text()
	var placed client.Order
	err = v.persist(ctx, func(api *client.Client) (err error) {
		placed, err = api.WithIdempotencyKey(key).PlaceOrder(ctx, method, wanted)
		return err
	})
	if err == nil {
		v.crowd.note(key, placed.ID)
	}
	return placed.ID, err
}

// cancel cancels at once, whatever is going on.
func (v *visitor) cancel(ctx context.Context, id string) error {
	return v.persist(ctx, func(api *client.Client) error { return api.CancelOrder(ctx, id) })
}

// regret waits until the order is decided, and cancels it then.
func (v *visitor) regret(ctx context.Context, id string) error {
	if _, err := v.until(ctx, id, func(o client.Order) bool { return o.Status != "pending" }); err != nil {
		return err
	}
	return v.cancel(ctx, id)
}

// deliver ships a paid order and has it arrive.
func (v *visitor) deliver(ctx context.Context, id string) error {
	o, err := v.until(ctx, id, func(o client.Order) bool { return o.Status == "cancelled" || o.PaymentState == "captured" })
	if err != nil || o.Status == "cancelled" {
		return err
	}
	for _, verb := range []string{"ship", "deliver"} {
		key := rand.Text()
		ordered := func(api *client.Client) error {
			return api.WithIdempotencyKey(key).Post(ctx, "/orders/"+id+"/"+verb, nil, nil)
		}
		err := v.persist(ctx, func(api *client.Client) error {
			err := ordered(api)
			if problem, refused := errors.AsType[*client.Problem](err); refused && problem.Code == "order_not_paid" {
				return errNotYet // the stock is still on the shelf
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
	return nil
}

// until waits until something is true of an order.
func (v *visitor) until(ctx context.Context, id string, so func(client.Order) bool) (o client.Order, err error) {
	err = v.persist(ctx, func(api *client.Client) (err error) {
		if o, err = api.Order(ctx, id); err == nil && !so(o) {
			err = errNotYet
		}
		return err
	})
	return o, err
}

var errNotYet = errors.New("not yet")

// persist calls as the visitor, until there is an answer.
func (v *visitor) persist(ctx context.Context, call func(*client.Client) error) error {
	return v.insist(ctx, func() error {
		api, err := v.login(ctx)
		if err != nil {
			return err
		}
		err = call(api)
		if problem, refused := errors.AsType[*client.Problem](err); refused && problem.Status == http.StatusUnauthorized {
			v.forget(api)
			return errNotYet // the token has expired
		}
		return err
	})
}

// insist calls until there is an answer.
func (v *visitor) insist(ctx context.Context, call func() error) error {
	const soon, lost = 10 * time.Millisecond, 250 * time.Millisecond
	for wait, longest := soon, time.Second; ; wait = min(2*wait, longest) {
		err := call()
		if err == nil || final(err) {
			return err
		}
		if !errors.Is(err, errNotYet) {
			v.crowd.complain(err)
			longest = lost
		}
		if !pause(ctx, wait) {
			return fmt.Errorf("given up: %w", err)
		}
	}
}

// final tells a refusal from no answer.
func final(err error) bool {
	problem, refused := errors.AsType[*client.Problem](err)
	return refused && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusTooManyRequests
}

func (v *visitor) login(ctx context.Context) (*client.Client, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.api != nil {
		return v.api, nil
	}
	api, err := client.New(v.crowd.Gateway).Login(ctx, v.email, v.password)
	if err == nil {
		v.api = api
	}
	return api, err
}

func (v *visitor) forget(api *client.Client) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.api == api {
		v.api = nil
	}
}
