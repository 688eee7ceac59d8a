package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"text/tabwriter"
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

type listBreakers struct{ operator }

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
	return printBreakers(os.Stdout, list.Items)
}

func printBreakers(w io.Writer, breakers []circuitBreaker) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "UPSTREAM\tSTATE\tFORCED\tCALLS\tFAILURES\tSLOW\tREFUSED\tSINCE\tREASON")
	for _, b := range breakers {
		forced, since, reason := "no", "the start", ""
		if b.Forced {
			forced = "yes"
		}
		if len(b.History) > 0 {
			since, reason = b.Since.Format(time.RFC3339), b.History[0].Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n",
			b.Upstream, b.State, forced, b.Calls, b.Failures, b.Slow, b.Refused, since, reason)
	}
	return table.Flush()
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
	return printBreakers(os.Stdout, []circuitBreaker{b})
}
