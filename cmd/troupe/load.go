package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"troupe/loadgen"
)

type loadCommand struct {
	operator
	Rate          float64       `default:"50" help:"Orders per second. 0: every client orders as soon as its last order was answered."`
	For           time.Duration `default:"30s" name:"for" help:"How long orders are offered."`
	Clients       int           `default:"64" help:"How many requests may wait for their answer at a time."`
	Customers     int           `default:"20" help:"How many customers are registered, who order in turns."`
	PaymentMethod string        `default:"pm_card_visa" help:"Token of the payment method of every order."`
	EmailDomain   string        `default:"example.com" help:"Domain of the customers' addresses, to which the system sends its mails."`
	SKU           string        `default:"load-test-item" name:"sku" help:"The product that is ordered. It is created, stocked, and taken off sale at the end."`
	Stock         int64         `default:"1000000" help:"How much is added to the product's stock."`
	Patience      time.Duration `default:"60s" help:"How long the last orders may take until they are paid or cancelled."`
	JSON          bool          `name:"json" help:"Print the result as JSON."`
}

// loadResult is the result as it is printed.
type loadResult struct {
	Rate      float64         `json:"rate"`
	Seconds   float64         `json:"seconds"`
	Customers int             `json:"customers"`
	Answers   loadgen.Report  `json:"answers"`
	Outcome   loadgen.Outcome `json:"outcome"`
}

// Run offers the load, waits for its orders, and fails unless every accepted order was
// paid or cancelled with a reason.
func (c loadCommand) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	shop, err := c.open(ctx)
	if err != nil {
		return err
	}
	result := loadResult{Rate: c.Rate, Customers: c.Customers}
	progress := newProgress("orders answered", c.JSON)
	result.Answers = shop.Run(ctx, loadgen.Offer{Rate: c.Rate, For: c.For, Progress: func(_ time.Duration, answered int) {
		progress.show(int64(answered), int64(c.Rate*c.For.Seconds()))
	}})
	progress.end()
	result.Seconds = result.Answers.Took.Seconds()
	c.note("waiting until every accepted order is paid or cancelled")
	waiting, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	const sample = 500
	result.Outcome, err = shop.Check(waiting, sample)
	err = errors.Join(err, shop.Close(context.WithoutCancel(ctx)))
	if err != nil {
		return err
	}
	if err := c.print(os.Stdout, result); err != nil {
		return err
	}
	return result.Outcome.Holds()
}

// check refuses flags with which no load could be offered.
func (c loadCommand) check() error {
	switch {
	case c.Rate < 0:
		return errors.New("--rate must not be negative: give orders per second, or 0")
	case c.For <= 0:
		return errors.New("--for must be a time, such as 30s")
	case c.Clients < 1 || c.Customers < 1:
		return errors.New("--clients and --customers must be 1 or more")
	}
	return nil
}

func (c loadCommand) open(ctx context.Context) (*loadgen.Shop, error) {
	admin, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	c.note(fmt.Sprintf("registering %d customers", c.Customers))
	return loadgen.Open(ctx, admin, loadgen.Config{
		Gateway: strings.TrimSuffix(c.URL, "/"), Customers: c.Customers, Clients: c.Clients, PaymentMethod: c.PaymentMethod,
		EmailDomain: c.EmailDomain, SKU: c.SKU, Stock: c.Stock,
	})
}

// note prints what comes next, unless a program reads the output.
func (c loadCommand) note(what string) {
	if !c.JSON {
		fmt.Fprintln(os.Stderr, what)
	}
}

func (c loadCommand) print(w io.Writer, r loadResult) error {
	if c.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	a, o := r.Answers, r.Outcome
	fmt.Fprintf(w, "offered             %8d orders in %.1f s (%.1f/s) by %d customers, load on this machine (%d cores)\n",
		a.Offered, r.Seconds, float64(a.Offered)/r.Seconds, r.Customers, runtime.NumCPU())
	fmt.Fprintf(w, "accepted            %8d   %s\n", a.Accepted, milliseconds(a.Latency))
	fmt.Fprintf(w, "refused             %8d   by admission control or a rate limit (503, 429)\n", a.Refused)
	fmt.Fprintf(w, "failed              %8d   %s\n", a.Failed, a.Failure)
	fmt.Fprintf(w, "paid                %8d   %s from accepted to paid, of %d orders\n", o.Paid, milliseconds(o.ToPaid), o.ToPaid.Count)
	for _, reason := range o.Reasons() {
		fmt.Fprintf(w, "cancelled           %8d   %s\n", o.Cancelled[reason], reason)
	}
	if a.Refused > 0 {
		fmt.Fprintln(w, "\nFor a test of the capacity, set GATEWAY_RATE_LIMITS=false and ORDERS_MAX_UNDECIDED_PER_CUSTOMER=0.")
	}
	return nil
}

func milliseconds(l loadgen.Latency) string {
	return fmt.Sprintf("p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, most %.1f ms", l.P50, l.P95, l.P99, l.Max)
}
