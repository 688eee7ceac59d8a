package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/client"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/test/cluster"
)

// shop is the system as a customer uses it, with enough in stock.
type shop struct {
	gateway string
	client  *http.Client
	token   string
	orders  sqldb.DB // the database of orders, read to see how many are paid
	placed  int
}

const sku = "bench-item"

func openShop(ctx context.Context, s *system, stock int64) (*shop, error) {
	b := &shop{gateway: s.URL("gateway"), client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1024},
	}}
	admin, err := client.New(s.URL("gateway")).Login(ctx, cluster.AdminEmail, cluster.AdminPassword)
	if err != nil {
		return nil, err
	}
	product := map[string]any{"name": "Bench item", "price": money.Money{Amount: 1299, Currency: "EUR"}, "active": true}
	if err := admin.Put(ctx, "/products/"+sku, product, nil); err != nil {
		return nil, err
	}
	if err := admin.Post(ctx, "/products/"+sku+"/stock", map[string]any{"delta": stock, "reason": "bench"}, nil); err != nil {
		return nil, err
	}
	customer, err := client.New(s.URL("gateway")).Register(ctx, strings.ToLower(rand.Text())+"@example.com", "four words for measuring", "Bench")
	if err != nil {
		return nil, err
	}
	b.token = customer.Token()
	if b.orders, err = sqldb.Open(ctx, s.Database("orders"), sqldb.Options{}); err != nil {
		return nil, err
	}
	if b.placed, err = b.paid(ctx); err != nil {
		return nil, err
	}
	return b, b.untilOrderable(ctx)
}

// paid returns how many orders are paid, including those of earlier runs.
func (b *shop) paid(ctx context.Context) (n int, err error) {
	err = b.orders.QueryRow(ctx, "SELECT count(*) FROM orders WHERE paid").Scan(&n)
	return n, err
}

// untilOrderable waits until the orders service knows the product.
func (b *shop) untilOrderable(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		var n int
		err := b.orders.QueryRow(ctx, "SELECT count(*) FROM products WHERE sku = $1", sku).Scan(&n)
		return n == 1, err
	})
}

type measured struct{ accepted, completed, p50, p99 time.Duration }

// complete places n orders and waits until all of them are paid.
func (b *shop) complete(ctx context.Context, n, clients int) (measured, error) {
	began := time.Now()
	latencies, err := b.place(ctx, n, clients)
	if err != nil {
		return measured{}, err
	}
	m := measured{accepted: time.Since(began)}
	b.placed += n
	if err := b.untilPaid(ctx); err != nil {
		return measured{}, err
	}
	m.completed = time.Since(began)
	slices.Sort(latencies)
	m.p50, m.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	return m, nil
}

func (b *shop) place(ctx context.Context, n, clients int) ([]time.Duration, error) {
	body := fmt.Sprintf(`{"items":[{"sku":%q,"quantity":1}],"payment_method":"pm_card_visa"}`, sku)
	var mu sync.Mutex
	var all []time.Duration
	group, ctx := errgroup.WithContext(ctx)
	for client := range clients {
		group.Go(func() error {
			var own []time.Duration
			for i := client; i < n; i += clients {
				began := time.Now()
				if err := b.order(ctx, body); err != nil {
					return err
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			return nil
		})
	}
	err := group.Wait()
	return all, err
}

func (b *shop) untilPaid(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		n, err := b.paid(ctx)
		return n >= b.placed, err
	})
}

// poll calls done until it returns true, five times a second because counting rows costs time.
func poll(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the orders are not completed: %w", ctx.Err())
		}
	}
}

// order places one order. It does not use the client package: its own cost is part of
// the figures.
func (b *shop) order(ctx context.Context, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.gateway+"/orders", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+b.token)
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST /orders: %d %s", response.StatusCode, answer)
	}
	return nil
}
