// Package provider is the built-in payment provider. It stands for the outside
// world: it keeps books of its own, that nobody else touches, in transactions of
// its own; it may be slow, lose calls, and lose answers. The payment method of a
// charge says how it fares; see methods.
//
// What it promises is what real providers promise: a key takes effect once and
// then gets the same answer for ever, and a key can be asked about.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"troupe/platform/money"
	"troupe/platform/sqldb"
)

// Kind is what a request wants done.
type Kind string

// The kinds. Captures, voids and refunds are of the whole charge.
const (
	Authorize Kind = "auth"
	Capture   Kind = "capture"
	Void      Kind = "void"
	Refund    Kind = "refund"
)

// Request is one call.
type Request struct {
	Kind   Kind
	Key    string // of idempotency
	Charge string // the caller's name for the charge, the same for all that is about it
	Amount money.Money
	Method string
	Ask    bool // do nothing, only say what became of Key
}

// Outcome is what came of a request.
type Outcome int

// The outcomes. After TimedOut it may have been done or not.
const (
	TimedOut Outcome = iota
	Absent           // Ask: the key is not known
	Done
	Denied
)

// Answer is the answer to a request.
type Answer struct {
	Outcome Outcome
	Code    string // why it was denied
}

// How long the callers of slow and lost calls wait for their answer.
const (
	slowness = 2 * time.Second
	patience = 5 * time.Second
)

// Provider takes requests. All fields are needed.
type Provider struct {
	DB  sqldb.DB
	Now func() time.Time
	// After calls f when d has passed: time.AfterFunc, or at once where nobody
	// wants to wait.
	After func(d time.Duration, f func())
	Log   *slog.Logger
}

// Submit sends requests. answered is called once for each, with its index: before
// Submit returns, or later from another goroutine for those that are slow or
// time out. They are many in one call only to share a transaction; each is as
// good as sent alone.
func (p *Provider) Submit(ctx context.Context, requests []Request, answered func(i int, a Answer)) {
	answers, err := p.handle(ctx, requests)
	if err != nil {
		p.Log.WarnContext(ctx, "payment provider is out of reach", "error", err)
		answers = make([]Answer, len(requests)) // all of them timed out
	}
	for i, a := range answers {
		if delay := delayOf(requests[i], a, err); delay > 0 {
			p.After(delay, func() { answered(i, a) })
			continue
		}
		answered(i, a)
	}
}

func delayOf(r Request, a Answer, err error) time.Duration {
	switch {
	case err != nil:
		return 0
	case a.Outcome == TimedOut:
		return patience
	case r.Kind == Authorize && !r.Ask && behaviourOf(r.Method).slow:
		return slowness
	default:
		return 0
	}
}

// handle decides about all requests in one transaction.
func (p *Provider) handle(ctx context.Context, requests []Request) (answers []Answer, err error) {
	if len(requests) == 0 {
		return nil, nil
	}
	paymentsClaimed.Hit()
	err = p.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		charges, err := p.charges(ctx, tx, requests)
		if err != nil {
			return err
		}
		answers = make([]Answer, len(requests))
		var rows [][]any
		for i, r := range requests {
			answer, entry, err := p.decide(ctx, tx, charges[r.Charge], r)
			if err != nil {
				return err
			}
			answers[i] = answer
			if entry != nil {
				charges[r.Charge] = append(charges[r.Charge], *entry)
				rows = append(rows, p.row(*entry))
			}
		}
		return p.enter(ctx, tx, rows)
	})
	providerDone.Hit()
	return answers, err
}

// decide gives the answer that the caller gets and the entry to be made, if any.
func (p *Provider) decide(ctx context.Context, tx sqldb.Tx, c charge, r Request) (Answer, *entry, error) {
	lost, err := p.lost(ctx, tx, c, r)
	if lost || err != nil {
		return Answer{Outcome: TimedOut}, nil, err
	}
	answer, entry := c.handle(r)
	if entry != nil && r.Kind == Authorize && behaviourOf(r.Method).timesOut {
		answer = Answer{Outcome: TimedOut}
	}
	return answer, entry, nil
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
			err := row.Scan(&e.charge, &e.step, &e.key, &e.kind, &e.denied, &e.method, &e.currency, &e.held, &e.paid)
			charges[e.charge] = append(charges[e.charge], e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return charges, nil
}

func (p *Provider) row(e entry) []any {
	return []any{e.charge, e.step, e.key, string(e.kind), e.denied, e.method, e.currency, e.held, e.paid, sqldb.Micros(p.Now())}
}

// errStepTaken: somebody else has just entered the next step of the charge.
var errStepTaken = errors.New("another call about the same charge came first")

func (p *Provider) enter(ctx context.Context, tx sqldb.Tx, rows [][]any) error {
	entered := 0
	err := sqldb.InsertRows(ctx, tx, "INSERT INTO provider_ledger ("+columns+", at)", rows,
		"ON CONFLICT (charge, step) DO NOTHING RETURNING step",
		func(row sqldb.Row) error { entered++; return row.Scan(new(int64)) })
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if entered < len(rows) {
		return errStepTaken
	}
	providerEntered.Hit()
	return nil
}

// lost says whether the call gets lost on its way here, and counts those that do.
func (p *Provider) lost(ctx context.Context, tx sqldb.Tx, c charge, r Request) (bool, error) {
	drops := behaviourOf(r.Method).drops
	if drops == 0 || r.Kind != Authorize || r.Ask || len(c) > 0 {
		return false, nil
	}
	var times int64
	err := tx.QueryRow(ctx, `INSERT INTO provider_drops (key, times) VALUES ($1, 1)
		ON CONFLICT (key) DO UPDATE SET times = provider_drops.times + 1 RETURNING times`, r.Key).Scan(&times)
	if err != nil {
		return false, fmt.Errorf("lose a call: %w", err)
	}
	return times <= drops, nil
}

// Balance is where the money of a charge is.
type Balance struct {
	Held int64 // set aside
	Paid int64
}

// Balances gives where the money of charges is. A charge never heard of has
// none anywhere.
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
