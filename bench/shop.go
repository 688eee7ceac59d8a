package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"troupe/client"
	"troupe/loadgen"
	"troupe/test/cluster"
)

// shop is the system as its customers use it, with enough in stock.
type shop struct {
	*loadgen.Shop
	system *system
	due    float64 // orders that must have been paid for all to be
}

func openShop(ctx context.Context, s *system, o options) (*shop, error) {
	admin, err := client.New(s.URL("gateway")).Login(ctx, cluster.AdminEmail, cluster.AdminPassword)
	if err != nil {
		return nil, err
	}
	b := &shop{system: s}
	if b.due, err = s.paid(ctx); err != nil {
		return nil, err
	}
	b.due++ // by which Open sees that the product is known
	b.Shop, err = loadgen.Open(ctx, admin, loadgen.Config{
		Gateway: s.URL("gateway"), Customers: o.customers, Clients: o.clients, PaymentMethod: "pm_card_visa",
		EmailDomain: "example.com", SKU: "bench-item", Stock: 100_000_000,
	})
	return b, err
}

// placed is how orders were answered, and how long it took until all were paid.
type placed struct {
	loadgen.Report
	completed time.Duration
}

// complete offers orders and waits until all are paid.
func (b *shop) complete(ctx context.Context, offer loadgen.Offer) (placed, error) {
	began := time.Now()
	p := placed{Report: b.Run(ctx, offer)}
	if p.Accepted != p.Offered {
		return p, fmt.Errorf("%d of %d orders were not accepted: %s", p.Offered-p.Accepted, p.Offered, p.Failure)
	}
	b.due += float64(p.Accepted)
	err := b.untilPaid(ctx)
	p.completed = time.Since(began)
	return p, err
}

// untilPaid waits until as many orders as were placed are paid, as the service counts them.
func (b *shop) untilPaid(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		n, err := b.system.paid(ctx)
		if err != nil || n >= b.due {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%.0f of %.0f orders are paid: %w", n, b.due, ctx.Err())
		}
	}
}

// paid returns how many orders were paid since the start of the orders service. It is one
// of the service's metrics, so nothing has to be counted in the database.
func (s *system) paid(ctx context.Context) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL("orders")+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, errors.New("GET /metrics of orders: " + response.Status)
	}
	return sumPaid(bufio.NewScanner(response.Body))
}

// sumPaid returns the sum of the counters of paid orders. Their names differ between revisions.
func sumPaid(lines *bufio.Scanner) (sum float64, err error) {
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "troupe_orders_") || !strings.Contains(line, `type="order.paid.v1"`) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, lines.Err()
}
