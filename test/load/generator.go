// Package load generates orders as customers do, through the gateway. Its virtual
// users do not give up: a request that gets no answer is sent again under the same
// Idempotency-Key until it is answered. So however often the system crashes
// meanwhile, there must be exactly one order for each key.
package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/client"
	"troupe/platform/money"
)

// Generator is all the load on one system.
type Generator struct {
	Gateway        string // URL
	AdminEmail     string
	AdminPassword  string
	Users          int           // how many virtual users order at the same time
	Interval       time.Duration // between two orders; 0: no wait
	PaymentMethods []string      // taken in turns
	// Registered is called for each new customer. It may be nil.
	Registered func(ctx context.Context, customer *client.Client) error

	admin *user

	mu          sync.Mutex
	orderByKey  map[string]string // order ids by Idempotency-Key
	followUpErr error
	lastErr     error          // of a request that had to be sent again
	followUps   sync.WaitGroup // what users and the admin do with orders afterwards
	accepted    atomic.Int64
	retries     atomic.Int64
}

// The products: plenty of one, too few of the other.
const (
	plentiful = "lantern"
	scarce    = "relic"
)

// MixedMethods are payment methods that make orders end in every way they can.
var MixedMethods = []string{
	"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_fake_timeout_then_charged", "pm_fake_capture_fails",
}

// Prepare has the admin create and stock the products, and waits until they can be
// ordered. There is only scarceStock of the scarce one.
func (g *Generator) Prepare(ctx context.Context, scarceStock int64) error {
	g.orderByKey = map[string]string{}
	g.admin = &user{generator: g, email: g.AdminEmail, password: g.AdminPassword}
	for sku, stock := range map[string]int64{plentiful: 1_000_000, scarce: scarceStock} {
		product := map[string]any{"name": "A " + sku, "price": money.Money{Amount: 1299, Currency: "EUR"}, "active": true}
		if err := g.admin.call(ctx, func(api *client.Client) error { return api.Put(ctx, "/products/"+sku, product, nil) }); err != nil {
			return fmt.Errorf("create product %s: %w", sku, err)
		}
		added, key := map[string]any{"delta": stock, "reason": "load test"}, rand.Text()
		if err := g.admin.call(ctx, func(api *client.Client) error {
			return api.WithIdempotencyKey(key).Post(ctx, "/products/"+sku+"/stock", added, nil)
		}); err != nil {
			return fmt.Errorf("stock %s: %w", sku, err)
		}
	}
	first, err := g.register(ctx)
	if err != nil {
		return err
	}
	for _, sku := range []string{plentiful, scarce} {
		if err := g.untilOrderable(ctx, first, sku); err != nil {
			return err
		}
	}
	return nil
}

// untilOrderable orders the product until the orders service knows it.
func (g *Generator) untilOrderable(ctx context.Context, u *user, sku string) error {
	for {
		_, err := u.placeOrder(ctx, "pm_card_chargeDeclined", client.Item{SKU: sku, Quantity: 1})
		if problem, answered := errors.AsType[*client.Problem](err); !answered || problem.Status != http.StatusUnprocessableEntity {
			return err
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the orders service does not get to know product %s: %w", sku, err)
		}
	}
}

// PlaceOrders places n orders by as many users as configured, all newly registered.
// What they do with their orders afterwards goes on when it returns; see Wait.
// ctx bounds both.
func (g *Generator) PlaceOrders(ctx context.Context, n int) error {
	group, ordering := errgroup.WithContext(ctx)
	numbers := make(chan int)
	group.Go(func() error {
		defer close(numbers)
		return g.count(ordering, n, numbers)
	})
	for range g.Users {
		group.Go(func() error {
			u, err := g.register(ordering)
			if err != nil {
				return err
			}
			for i := range numbers {
				id, err := u.placeOrder(ordering, g.PaymentMethods[i%len(g.PaymentMethods)], itemOf(i))
				if err != nil {
					return fmt.Errorf("order number %d: %w", i, err)
				}
				g.followUp(ctx, u, i, id)
			}
			return nil
		})
	}
	return group.Wait()
}

// itemOf returns what the i-th order is for: every tenth is for the scarce product.
func itemOf(i int) client.Item {
	item := client.Item{SKU: plentiful, Quantity: int64(1 + i%3)}
	if i%10 == 0 {
		item.SKU = scarce
	}
	return item
}

// followUp has some orders cancelled at once, some after their decision, and some
// shipped and delivered.
func (g *Generator) followUp(ctx context.Context, u *user, i int, orderID string) {
	actions := map[int]func(context.Context, string) error{1: u.cancel, 3: u.cancelAfterDecision, 5: g.admin.shipAndDeliver}
	action := actions[i%8]
	if action == nil {
		return
	}
	g.followUps.Go(func() {
		if err := action(ctx, orderID); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.followUpErr = errors.Join(g.followUpErr, fmt.Errorf("after order %s: %w", orderID, err))
		}
	})
}

// Wait waits until all that users do with their orders afterwards is done.
func (g *Generator) Wait() error {
	g.followUps.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.followUpErr
}

// count sends the numbers of n orders at the configured interval.
func (g *Generator) count(ctx context.Context, n int, numbers chan<- int) error {
	for i := 1; i <= n; i++ {
		select {
		case numbers <- i:
		case <-ctx.Done():
			return ctx.Err()
		}
		if g.Interval > 0 && !sleep(ctx, g.Interval) {
			return ctx.Err()
		}
	}
	return nil
}

// register returns a new user with an account.
func (g *Generator) register(ctx context.Context) (*user, error) {
	u := &user{generator: g, email: strings.ToLower(rand.Text()) + "@example.com", password: "a customer's own passphrase"}
	account := map[string]string{"email": u.email, "password": u.password, "name": "Ada"}
	key := rand.Text()
	err := g.retryUntilAnswered(ctx, func() error {
		return client.New(g.Gateway).WithIdempotencyKey(key).Post(ctx, "/users", account, nil)
	})
	if problem, answered := errors.AsType[*client.Problem](err); answered && problem.Status == http.StatusConflict {
		err = nil // the answer to the first request was lost
	}
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if g.Registered == nil {
		return u, nil
	}
	return u, u.call(ctx, func(api *client.Client) error { return g.Registered(ctx, api) })
}

// retryUntilAnswered calls until there is an answer.
func (g *Generator) retryUntilAnswered(ctx context.Context, call func() error) error {
	const first, longest, longestUnanswered = 10 * time.Millisecond, time.Second, 250 * time.Millisecond
	limit := longest
	for wait := first; ; wait = min(2*wait, limit) {
		err := call()
		if err == nil || isAnswer(err) {
			return err
		}
		if !errors.Is(err, errNotYet) {
			g.recordRetry(err)
			limit = longestUnanswered
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("given up: %w", err)
		}
	}
}

// errNotYet is the error of a call that got an answer, but must be repeated for another.
var errNotYet = errors.New("not yet")

// isAnswer reports whether the error is the system's answer to the request, rather
// than a failure to answer it.
func isAnswer(err error) bool {
	problem, answered := errors.AsType[*client.Problem](err)
	return answered && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusTooManyRequests
}

// Accepted returns how many orders have been accepted so far.
func (g *Generator) Accepted() int64 { return g.accepted.Load() }

// Retries returns how often a request had to be sent again so far.
func (g *Generator) Retries() int64 { return g.retries.Load() }

// LastError returns why a request last had to be sent again.
func (g *Generator) LastError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lastErr
}

func (g *Generator) recordRetry(err error) {
	g.retries.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastErr = err
}

// OrderIDs returns the ids of all orders that were accepted.
func (g *Generator) OrderIDs() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.orderByKey))
}

func (g *Generator) recordOrder(key, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.orderByKey[key] = id
	g.accepted.Add(1)
}

// sleep waits for d and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
