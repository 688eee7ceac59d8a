// Package loadgen offers orders to a running system through its public API, as its
// customers do, and measures how long each is answered. The load is open: orders are due
// at a stated rate whether or not those before them were answered, and the time of each
// is counted from when it was due. So the time that orders wait while the system does not
// keep up is measured too, rather than left out (coordinated omission).
package loadgen

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/client"
	"troupe/platform/ascii"
	"troupe/platform/money"
)

// Config describes a shop for the load.
type Config struct {
	Gateway       string // URL
	Customers     int    // how many order
	Clients       int    // how many requests may wait for their answer at a time
	PaymentMethod string
	EmailDomain   string // of the customers' addresses
	SKU           string // of the product that is ordered; it is created unless it exists
	Stock         int64  // how much is added to the product's stock
}

// Shop is a product that is in stock, and customers who order it.
type Shop struct {
	Config
	admin     *client.Client
	customers []*customer
	http      *http.Client
}

// customer is a customer with an account, and the orders that were accepted.
type customer struct {
	email, password string

	mu     sync.Mutex
	api    *client.Client
	orders []string
}

// Open creates the product and the customers, and waits until orders are accepted. The
// admin creates the product. The first order, which shows that, counts in no result.
func Open(ctx context.Context, admin *client.Client, c Config) (*Shop, error) {
	s := &Shop{Config: c, admin: admin, http: &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: c.Clients},
	}}
	if err := s.stockProduct(ctx); err != nil {
		return nil, err
	}
	for range c.Customers {
		if err := s.register(ctx); err != nil {
			return nil, err
		}
	}
	err := s.untilOrderable(ctx)
	s.Forget()
	return s, err
}

const requestTimeout = 30 * time.Second

func (s *Shop) stockProduct(ctx context.Context) error {
	if err := s.putProduct(ctx, true); err != nil {
		return fmt.Errorf("create product %s: %w", s.SKU, err)
	}
	added := map[string]any{"delta": s.Stock, "reason": "load test"}
	if err := s.admin.WithIdempotencyKey(rand.Text()).Post(ctx, "/products/"+s.SKU+"/stock", added, nil); err != nil {
		return fmt.Errorf("stock product %s: %w", s.SKU, err)
	}
	return nil
}

func (s *Shop) putProduct(ctx context.Context, active bool) error {
	product := map[string]any{"name": "Load test item", "price": money.Money{Amount: 1299, Currency: "EUR"}, "active": active}
	return s.admin.Put(ctx, "/products/"+s.SKU, product, nil)
}

// Close takes the product off sale. The orders and the customers remain.
func (s *Shop) Close(ctx context.Context) error { return s.putProduct(ctx, false) }

func (s *Shop) register(ctx context.Context) error {
	name := ascii.Lower(rand.Text())
	c := &customer{email: "load-" + name + "@" + s.EmailDomain, password: rand.Text()}
	api, err := client.New(s.Gateway).Register(ctx, c.email, c.password, "Load test")
	if problem, answered := errors.AsType[*client.Problem](err); answered && problem.Status == http.StatusTooManyRequests {
		return fmt.Errorf("customer %d of %d is refused: wait a minute, ask for fewer customers, or raise USERS_REGISTRATIONS_PER_MINUTE: %w",
			len(s.customers)+1, s.Customers, err)
	}
	if err != nil {
		return err
	}
	c.api = api
	s.customers = append(s.customers, c)
	return nil
}

// untilOrderable orders the product until the orders service knows it.
func (s *Shop) untilOrderable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := s.customers[0].order(ctx, s)
		problem, answered := errors.AsType[*client.Problem](err)
		if !answered || problem.Code != "sku_unknown" {
			return err
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the orders service does not get to know product %s: %w", s.SKU, err)
		}
	}
}

// renewTokens signs every customer in again from time to time until ctx ends, because
// access tokens expire.
func (s *Shop) renewTokens(ctx context.Context) {
	for sleep(ctx, tokenLifetime) {
		_ = s.SignIn(ctx) // the old token may be good enough, and orders with an expired one count as failures
	}
}

// SignIn signs every customer in again, for example after a long pause.
func (s *Shop) SignIn(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2) // a password hash costs much
	for _, c := range s.customers {
		group.Go(func() error {
			api, err := client.New(s.Gateway).Login(ctx, c.email, c.password)
			if err == nil {
				c.set(api)
			}
			return err
		})
	}
	return group.Wait()
}

const tokenLifetime = 4 * time.Minute // of 10 that are allowed by default

func (c *customer) set(api *client.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api = api
}

func (c *customer) client() *client.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.api
}

// Placed is an order that was accepted.
type Placed struct {
	ID       string
	customer *customer
}

// Client returns a client that calls as the customer.
func (p Placed) Client() *client.Client { return p.customer.client() }

// Placed returns all orders that were accepted.
func (s *Shop) Placed() (all []Placed) {
	for _, c := range s.customers {
		for _, id := range c.orders {
			all = append(all, Placed{id, c})
		}
	}
	return all
}

func (c *customer) accepted(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, id)
}

// sleep waits for d and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
