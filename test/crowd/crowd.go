// Package crowd is customers who order through the gateway and do not give up:
// what gets no answer they send again under the same key, until it is taken. So
// however often the system dies meanwhile, there must be one order for each wish.
package crowd

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

// Crowd is everybody outside of one system.
type Crowd struct {
	Gateway       string
	AdminEmail    string
	AdminPassword string
	Customers     int           // at once
	Pace          time.Duration // between two orders; 0: no wait
	Methods       []string      // of payment, taken in turns

	admin *visitor

	mu       sync.Mutex
	wishes   map[string]string // order ids, by the key that they were asked for with
	failed   error             // of what follows orders
	deeds    sync.WaitGroup    // what follows them
	accepted atomic.Int64
	again    atomic.Int64
	why      error // the last one had to be sent again
}

// What there is to order: plenty of one, too few of the other.
const (
	plenty = "lantern"
	scarce = "relic"
)

// Open has the admin put things on the shelf, and waits until they can be ordered.
// Of the scarce one, rare orders find some.
func (c *Crowd) Open(ctx context.Context, rare int64) error {
	c.wishes = map[string]string{}
	c.admin = &visitor{crowd: c, email: c.AdminEmail, password: c.AdminPassword}
	for sku, stock := range map[string]int64{plenty: 1_000_000, scarce: rare} {
		product := map[string]any{"name": "A " + sku, "price": money.Money{Amount: 1299, Currency: "EUR"}, "active": true}
		if err := c.admin.persist(ctx, func(api *client.Client) error { return api.Put(ctx, "/products/"+sku, product, nil) }); err != nil {
			return fmt.Errorf("offer %s: %w", sku, err)
		}
		added, key := map[string]any{"delta": stock, "reason": "for the crowd"}, rand.Text()
		if err := c.admin.persist(ctx, func(api *client.Client) error {
			return api.WithIdempotencyKey(key).Post(ctx, "/products/"+sku+"/stock", added, nil)
		}); err != nil {
			return fmt.Errorf("stock %s: %w", sku, err)
		}
	}
	scout, err := c.newcomer(ctx)
	if err != nil {
		return err
	}
	for _, sku := range []string{plenty, scarce} {
		if err := c.untilKnown(ctx, scout, sku); err != nil {
			return err
		}
	}
	return nil
}

// untilKnown orders until orders has heard of the product.
func (c *Crowd) untilKnown(ctx context.Context, scout *visitor, sku string) error {
	for {
		_, err := scout.order(ctx, "pm_card_chargeDeclined", client.Item{SKU: sku, Quantity: 1})
		if problem, refused := errors.AsType[*client.Problem](err); !refused || problem.Status != http.StatusUnprocessableEntity {
			return err
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("orders does not hear of %s: %w", sku, err)
		}
	}
}

// Order has n orders placed by as many customers as there are, all of them new.
// What they want afterwards goes on; see Finish. ctx bounds both.
func (c *Crowd) Order(ctx context.Context, n int) error {
	group, ordering := errgroup.WithContext(ctx)
	numbers := make(chan int)
	group.Go(func() error {
		defer close(numbers)
		return c.count(ordering, n, numbers)
	})
	for range c.Customers {
		group.Go(func() error {
			v, err := c.newcomer(ordering)
			if err != nil {
				return err
			}
			for i := range numbers {
				id, err := v.order(ordering, c.Methods[i%len(c.Methods)], wanted(i))
				if err != nil {
					return fmt.Errorf("order number %d: %w", i, err)
				}
				c.follow(ctx, v, i, id)
			}
			return nil
		})
	}
	return group.Wait()
}

// wanted has every tenth order want what there is too little of.
func wanted(i int) client.Item {
	w := client.Item{SKU: plenty, Quantity: int64(1 + i%3)}
	if i%10 == 0 {
		w.SKU = scarce
	}
	return w
}

// follow has the customer of some orders change their mind, or get a parcel.
func (c *Crowd) follow(ctx context.Context, v *visitor, i int, id string) {
	deeds := map[int]func(context.Context, string) error{1: v.cancel, 3: v.regret, 5: c.admin.deliver}
	deed := deeds[i%8]
	if deed == nil {
		return
	}
	c.deeds.Go(func() {
		if err := deed(ctx, id); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = errors.Join(c.failed, fmt.Errorf("after order %s: %w", id, err))
		}
	})
}

// Finish waits until what customers want after their orders is done.
func (c *Crowd) Finish() error {
	c.deeds.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// count hands out the numbers of n orders, at the pace.
func (c *Crowd) count(ctx context.Context, n int, numbers chan<- int) error {
	for i := 1; i <= n; i++ {
		select {
		case numbers <- i:
		case <-ctx.Done():
			return ctx.Err()
		}
		if c.Pace > 0 && !pause(ctx, c.Pace) {
			return ctx.Err()
		}
	}
	return nil
}

// newcomer registers somebody.
func (c *Crowd) newcomer(ctx context.Context) (*visitor, error) {
	v := &visitor{crowd: c, email: strings.ToLower(rand.Text()) + "@example.com", password: "a customer's own passphrase"}
	account := map[string]string{"email": v.email, "password": v.password, "name": "Ada"}
	key := rand.Text()
	err := v.insist(ctx, func() error { return client.New(c.Gateway).WithIdempotencyKey(key).Post(ctx, "/users", account, nil) })
	if problem, refused := errors.AsType[*client.Problem](err); refused && problem.Status == http.StatusConflict {
		err = nil // the answer to the first try got lost
	}
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return v, nil
}

// Accepted is how many orders were taken so far.
func (c *Crowd) Accepted() int64 { return c.accepted.Load() }

// Again is how often a request had to be sent again.
func (c *Crowd) Again() int64 { return c.again.Load() }

// Why is the last reason for which a request had to be sent again.
func (c *Crowd) Why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

func (c *Crowd) complain(err error) {
	c.again.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = err
}

// Orders are the ids of all orders that were taken.
func (c *Crowd) Orders() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.wishes))
}

func (c *Crowd) note(key, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wishes[key] = id
	c.accepted.Add(1)
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
