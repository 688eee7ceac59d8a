// Package provider is the built-in payment provider, a fake that stands for the
// outside world. It has a ledger that no other package touches, in transactions of
// its own. It may be slow, lose calls, and lose responses: the payment method of a
// charge determines what happens to it; see methods.
//
// It promises what real providers promise: a request with an idempotency key takes
// effect once and then always gets the same response, and a caller can ask for the
// outcome of a key.
package provider

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"troupe/platform/money"
	"troupe/platform/sqldb"
)

// Kind is what a request asks for.
type Kind string

// The kinds of requests. Captures, voids and refunds are of the whole charge.
const (
	Authorize Kind = "auth"
	Capture   Kind = "capture"
	Void      Kind = "void"
	Refund    Kind = "refund"
)

// Request is one call.
type Request struct {
	Kind   Kind
	Key    string // idempotency key
	Charge string // the caller's id of the charge, the same in all requests about it
	Amount money.Money
	Method string
	Ask    bool // execute nothing, only return the outcome of Key
}

// Outcome is the outcome of a request.
type Outcome int

// The outcomes. After TimedOut the request may have been executed or not.
const (
	TimedOut Outcome = iota
	NotFound         // Ask: the key is not known
	Approved
	Rejected
)

// Response is the response to a request.
type Response struct {
	Outcome Outcome
	Code    string // why it was rejected
}

const (
	slowResponse = 2 * time.Second // how long a slow call takes
	timeout      = 5 * time.Second // how long the caller waits for a response that never comes
)

// Provider handles requests. All fields are required.
type Provider struct {
	DB  sqldb.DB
	Now func() time.Time
	// After calls f when d has passed, like time.AfterFunc, or at once where no
	// wait is wanted.
	After func(d time.Duration, f func())
	Log   *slog.Logger
}

// Submit sends requests. It calls respond once for each request, with its index:
// before Submit returns, or later from another goroutine if the request is slow or
// times out. Several requests in one call share a transaction; apart from that it
// makes no difference whether a request is sent alone.
func (p *Provider) Submit(ctx context.Context, requests []Request, respond func(i int, r Response)) {
	responses, err := p.handle(ctx, requests)
	if err != nil {
		p.Log.WarnContext(ctx, "the payment provider cannot be reached; its calls are repeated", "error", err)
		responses = make([]Response, len(requests)) // all of them timed out
	}
	for i, r := range responses {
		if delay := delayOf(requests[i], r, err); delay > 0 {
			p.After(delay, func() { respond(i, r) })
			continue
		}
		respond(i, r)
	}
}

func delayOf(request Request, response Response, err error) time.Duration {
	switch {
	case err != nil:
		return 0
	case response.Outcome == TimedOut:
		return timeout
	case request.Kind == Authorize && !request.Ask && behaviorOf(request.Method).slow:
		return slowResponse
	default:
		return 0
	}
}

// handle handles all requests in one transaction.
func (p *Provider) handle(ctx context.Context, requests []Request) (responses []Response, err error) {
	if len(requests) == 0 {
		return nil, nil
	}
	callsClaimed.Hit()
	err = p.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		charges, err := p.charges(ctx, tx, requests)
		if err != nil {
			return err
		}
		responses = make([]Response, len(requests))
		var rows [][]any
		for i, r := range requests {
			response, entry, err := p.handleOne(ctx, tx, charges[r.Charge], r)
			if err != nil {
				return err
			}
			responses[i] = response
			if entry != nil {
				charges[r.Charge] = append(charges[r.Charge], *entry)
				rows = append(rows, p.row(*entry))
			}
		}
		return p.addEntries(ctx, tx, rows)
	})
	callsExecuted.Hit()
	return responses, err
}

// handleOne returns the response to r and the entry to add to the ledger, nil if
// there is none.
func (p *Provider) handleOne(ctx context.Context, tx sqldb.Tx, c charge, r Request) (Response, *entry, error) {
	lost, err := p.losesCall(ctx, tx, c, r)
	if lost || err != nil {
		return Response{Outcome: TimedOut}, nil, err
	}
	response, entry := c.handle(r)
	if entry != nil && r.Kind == Authorize && behaviorOf(r.Method).timesOut {
		response = Response{Outcome: TimedOut}
	}
	return response, entry, nil
}

const columns = "charge, step, key, kind, denied, method, currency, held, paid"

func (p *Provider) charges(ctx context.Context, tx sqldb.Tx, requests []Request) (map[string]charge, error) {
	charges := make(map[string]charge, len(requests))
	names := make([]any, 0, len(requests))
	for _, r := range requests {
		if _, seen := charges[r.Charge]; !seen {
			charges[r.Charge] = nil
			names = append(names, r.Charge)
		}
	}
	_, err := sqldb.In(ctx, tx, "SELECT "+columns+" FROM provider_ledger WHERE charge", nil, names, "ORDER BY charge, step",
		func(row sqldb.Row) error {
			var e entry
			err := row.Scan(&e.charge, &e.step, &e.key, &e.kind, &e.rejected, &e.method, &e.currency, &e.held, &e.paid)
			charges[e.charge] = append(charges[e.charge], e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return charges, nil
}

func (p *Provider) row(e entry) []any {
	return []any{e.charge, e.step, e.key, string(e.kind), e.rejected, e.method, e.currency, e.held, e.paid, sqldb.Micros(p.Now())}
}

// addEntries adds entries to the ledger. If another call has just added the next entry of a
// charge, the transaction is run again.
func (p *Provider) addEntries(ctx context.Context, tx sqldb.Tx, rows [][]any) error {
	if err := sqldb.InsertRows(ctx, tx, "INSERT INTO provider_ledger ("+columns+", at)", rows, "", nil); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	entriesAdded.Hit()
	return nil
}

// losesCall reports whether the call is lost on its way to the provider, and counts
// the lost calls of its key.
func (p *Provider) losesCall(ctx context.Context, tx sqldb.Tx, c charge, r Request) (bool, error) {
	drops := behaviorOf(r.Method).drops
	if drops == 0 || r.Kind != Authorize || r.Ask || len(c) > 0 {
		return false, nil
	}
	var times int64
	err := tx.QueryRow(ctx, `INSERT INTO provider_drops (key, times) VALUES ($1, 1)
		ON CONFLICT (key) DO UPDATE SET times = provider_drops.times + 1 RETURNING times`, r.Key).Scan(&times)
	if err != nil {
		return false, fmt.Errorf("count a lost call: %w", err)
	}
	return times <= drops, nil
}

// Balance is where the money of a charge is, in minor units.
type Balance struct {
	Held int64 // authorized and not captured
	Paid int64
}

// Balances returns the balances of charges. A charge that the provider does not
// know has none.
func (p *Provider) Balances(ctx context.Context, charges []string) (map[string]Balance, error) {
	names := make([]any, len(charges))
	for i, c := range charges {
		names[i] = c
	}
	balances := make(map[string]Balance, len(charges))
	_, err := sqldb.In(ctx, p.DB, `SELECT charge, CAST(SUM(held) AS BIGINT), CAST(SUM(paid) AS BIGINT)
		FROM provider_ledger WHERE charge`, nil, names, "GROUP BY charge",
		func(row sqldb.Row) error {
			var name string
			var b Balance
			err := row.Scan(&name, &b.Held, &b.Paid)
			balances[name] = b
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return balances, nil
}
