package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"troupe/platform/sqldb"
)

// shop is the system as its customers see it, with plenty in stock.
type shop struct {
	gateway string
	client  *http.Client
	token   string
	orders  sqldb.DB // read to see how far the orders are
	placed  int
}

const sku = "bench-item"

func openShop(ctx context.Context, s *system, stock int64) (*shop, error) {
	b := &shop{gateway: s.gateway, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1024},
	}}
	admin, err := b.login(ctx, "admin@troupe.local", adminPassword)
	if err != nil {
		return nil, err
	}
	b.token = admin
	product := `{"name":"Bench item","price":{"amount":1299,"currency":"EUR"},"active":true}`
	if err := b.call(ctx, http.MethodPut, "/products/"+sku, product, nil); err != nil {
		return nil, err
	}
	if err := b.call(ctx, http.MethodPost, "/products/"+sku+"/stock", fmt.Sprintf(`{"delta":%d,"reason":"bench"}`, stock), nil); err != nil {
		return nil, err
	}
	account := `{"email":"bench@example.com","password":"bench customer passphrase","name":"Bench"}`
	if err := b.call(ctx, http.MethodPost, "/users", account, nil); err != nil {
		return nil, err
	}
	if b.token, err = b.login(ctx, "bench@example.com", "bench customer passphrase"); err != nil {
		return nil, err
	}
	if b.orders, err = sqldb.Open(ctx, s.database("orders"), sqldb.Options{}); err != nil {
		return nil, err
	}
	return b, b.untilKnown(ctx)
}

// untilKnown waits until orders has heard of the product.
func (b *shop) untilKnown(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		var n int
		err := b.orders.QueryRow(ctx, "SELECT count(*) FROM products WHERE sku = $1", sku).Scan(&n)
		return n == 1, err
	})
}

type measured struct{ accepted, carried, p50, p99 time.Duration }

// carry places n orders and waits until all of them are paid.
func (b *shop) carry(ctx context.Context, n, clients int) (measured, error) {
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
	m.carried = time.Since(began)
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
				if err := b.call(ctx, http.MethodPost, "/orders", body, nil); err != nil {
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
		var paid int
		err := b.orders.QueryRow(ctx, "SELECT count(*) FROM orders WHERE paid").Scan(&paid)
		return paid >= b.placed, err
	})
}

// poll asks ten times a second, which costs next to nothing.
func poll(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the orders do not come to their end: %w", ctx.Err())
		}
	}
}

func (b *shop) login(ctx context.Context, email, password string) (string, error) {
	form := url.Values{"username": {email}, "password": {password}}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := b.send(ctx, http.MethodPost, "/token", "application/x-www-form-urlencoded", form.Encode(), &answer)
	return answer.AccessToken, err
}

func (b *shop) call(ctx context.Context, method, path, body string, out any) error {
	return b.send(ctx, method, path, "application/json", body, out)
}

func (b *shop) send(ctx context.Context, method, path, contentType, body string, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, b.gateway+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	if b.token != "" {
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, bytes.TrimSpace(answer))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
