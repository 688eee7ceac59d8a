package main

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

type breakersCommand struct {
	List  listBreakers `cmd:"" default:"withargs" help:"List the gateway's circuit breakers with their latest changes."`
	Open  openBreaker  `cmd:"" help:"Refuse all calls to a service until 'auto', for example while it is repaired."`
	Close closeBreaker `cmd:"" help:"Let all calls to a service pass until 'auto', whatever their outcome."`
	Auto  autoBreaker  `cmd:"" help:"Let outcomes decide again."`
}

// circuitBreaker is an entry of GET /admin/breakers.
type circuitBreaker struct {
	Upstream string    `json:"upstream"`
	State    string    `json:"state"`
	Forced   bool      `json:"forced"`
	Since    time.Time `json:"since"`
	Calls    int       `json:"calls"`
	Failures int       `json:"failures"`
	Slow     int       `json:"slow"`
	Refused  uint64    `json:"refused"`
	History  []struct {
		To     string    `json:"to"`
		At     time.Time `json:"at"`
		Reason string    `json:"reason"`
	} `json:"history"`
}

type listBreakers struct {
	operator
	listing
}

// Run lists the circuit breakers.
func (c listBreakers) Run(ctx context.Context) error {
	admin, err := c.login(ctx)
	if err != nil {
		return err
	}
	var list struct {
		Items []circuitBreaker `json:"items"`
	}
	if err := admin.Get(ctx, "/admin/breakers", &list); err != nil {
		return err
	}
	return printBreakers(c.listing, list.Items)
}

func printBreakers(l listing, breakers []circuitBreaker) error {
	return printList(l, breakers, "the gateway has no circuit breakers",
		"UPSTREAM\tSTATE\tFORCED\tCALLS\tFAILURES\tSLOW\tREFUSED\tSINCE\tREASON", circuitBreaker.row)
}

func (b circuitBreaker) row() string {
	forced, since, reason := "no", "the start", ""
	if b.Forced {
		forced = "yes"
	}
	if len(b.History) > 0 {
		since, reason = b.Since.Format(time.RFC3339), b.History[0].Reason
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s", b.Upstream, b.State, forced, b.Calls, b.Failures, b.Slow, b.Refused, since, reason)
}

// breakerFlags are the flags of commands that set one circuit breaker.
type breakerFlags struct {
	operator
	Upstream string `arg:"" help:"The service whose circuit breaker it is, as 'troupe breakers' lists it."`
	Reason   string `help:"Why, for the history and the log."`
}

type openBreaker struct{ breakerFlags }

// Run forces the circuit breaker open.
func (c openBreaker) Run(ctx context.Context) error { return c.set(ctx, "forced_open") }

type closeBreaker struct{ breakerFlags }

// Run forces the circuit breaker closed.
func (c closeBreaker) Run(ctx context.Context) error { return c.set(ctx, "forced_closed") }

type autoBreaker struct{ breakerFlags }

// Run releases the circuit breaker.
func (c autoBreaker) Run(ctx context.Context) error { return c.set(ctx, "auto") }

func (f breakerFlags) set(ctx context.Context, state string) error {
	admin, err := f.login(ctx)
	if err != nil {
		return err
	}
	var b circuitBreaker
	body := map[string]string{"state": state, "reason": f.Reason}
	if err := admin.Put(ctx, "/admin/breakers/"+url.PathEscape(f.Upstream), body, &b); err != nil {
		return err
	}
	return printBreakers(listing{}, []circuitBreaker{b})
}
