package loadgen

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"troupe/client"
)

// Outcome is what became of the accepted orders, as the API shows it to their customers.
type Outcome struct {
	Paid        int            `json:"paid"`
	Cancelled   map[string]int `json:"cancelled"`             // by reason
	Unfinished  int            `json:"unfinished"`            // neither paid nor cancelled when the time was up
	Missing     []string       `json:"missing,omitempty"`     // accepted, but not in the customer's list
	Unexplained []string       `json:"unexplained,omitempty"` // cancelled without a reason
	ToPaid      Latency        `json:"accepted_to_paid"`      // of a sample
}

// Holds returns an error unless every accepted order was paid, or was cancelled with a reason.
func (o Outcome) Holds() error {
	switch {
	case len(o.Missing) > 0:
		return fmt.Errorf("%d accepted orders are not in their customer's list, for example %s", len(o.Missing), o.Missing[0])
	case len(o.Unexplained) > 0:
		return fmt.Errorf("%d orders were cancelled without a reason, for example %s", len(o.Unexplained), o.Unexplained[0])
	case o.Unfinished > 0:
		return fmt.Errorf("%d orders are neither paid nor cancelled", o.Unfinished)
	}
	return nil
}

// Check waits until every accepted order is paid or cancelled, or until ctx ends, and
// returns what became of them. It reads the customers' lists of orders, page by page, and
// the timelines of a sample.
func (s *Shop) Check(ctx context.Context, sample int) (Outcome, error) {
	all := Outcome{Cancelled: map[string]int{}}
	var paid []paidOrder
	for _, c := range s.customers {
		found, err := c.finished(ctx)
		if err != nil {
			return all, fmt.Errorf("read the orders of %s: %w", c.email, err)
		}
		paid = append(paid, all.add(c, found)...)
	}
	var err error
	all.ToPaid, err = timesToPaid(ctx, paid, sample)
	return all, err
}

// Forget leaves the orders that were accepted so far out of the next check.
func (s *Shop) Forget() {
	for _, c := range s.customers {
		c.mu.Lock()
		c.orders = nil
		c.mu.Unlock()
	}
}

type paidOrder struct {
	by    *customer
	order client.Order
}

// add counts a customer's orders and returns those that are paid.
func (o *Outcome) add(c *customer, found map[string]client.Order) (paid []paidOrder) {
	for _, id := range c.orders {
		order, ok := found[id]
		switch {
		case !ok:
			o.Missing = append(o.Missing, id)
		case order.Status == "cancelled" && order.CancelReason == "":
			o.Unexplained = append(o.Unexplained, id)
		case order.Status == "cancelled":
			o.Cancelled[order.CancelReason]++
		case isPaid(order):
			o.Paid++
			paid = append(paid, paidOrder{c, order})
		default:
			o.Unfinished++
		}
	}
	return paid
}

func isPaid(o client.Order) bool { return o.PaymentState == "captured" && o.Status != "pending" }

func isFinished(o client.Order) bool { return o.Status == "cancelled" || isPaid(o) }

// finished returns the customer's orders once all are finished, or as they are when ctx ends.
func (c *customer) finished(ctx context.Context) (map[string]client.Order, error) {
	reading := context.WithoutCancel(ctx)
	found, err := c.list(reading)
	if err != nil {
		return nil, err
	}
	for _, id := range c.orders {
		for order, ok := found[id]; ok && !isFinished(order); order = found[id] {
			if !sleep(ctx, 100*time.Millisecond) {
				return found, nil
			}
			if found[id], err = c.client().Order(reading, id); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// list returns all orders of the customer by id.
func (c *customer) list(ctx context.Context) (map[string]client.Order, error) {
	all := map[string]client.Order{}
	for cursor := ""; ; {
		var page struct {
			Items      []client.Order `json:"items"`
			NextCursor string         `json:"next_cursor"`
		}
		path := "/orders?limit=100"
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		if err := c.client().Get(ctx, path, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			all[o.ID] = o
		}
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// timesToPaid reads from the timelines of so many orders how long each took to be paid.
func timesToPaid(ctx context.Context, paid []paidOrder, sample int) (Latency, error) {
	h := newHistogram()
	rand.Shuffle(len(paid), func(i, j int) { paid[i], paid[j] = paid[j], paid[i] })
	for _, p := range paid[:min(sample, len(paid))] {
		if err := recordTimeToPaid(context.WithoutCancel(ctx), h, p); err != nil {
			return Latency{}, err
		}
	}
	return latencyOf(h), nil
}

func recordTimeToPaid(ctx context.Context, h *hdrhistogram.Histogram, p paidOrder) error {
	steps, err := p.by.client().Timeline(ctx, p.order.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(steps, func(s client.TimelineEntry) bool { return s.What == "order.paid.v1" })
	if i >= 0 {
		record(h, steps[i].At.Sub(p.order.CreatedAt))
	}
	return nil
}

// Reasons returns the reasons of cancelled orders, the most frequent first.
func (o Outcome) Reasons() []string {
	var reasons []string
	for reason := range o.Cancelled {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(o.Cancelled[b], o.Cancelled[a]), cmp.Compare(a, b))
	})
	return reasons
}
