package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/patterns/bus"
	"troupe/patterns/worker"
	"troupe/platform/sqldb"
)

// rewrites makes a fault that replaces text in a service's statements.
func rewrites(service, old, replacement string) func(string, string, []any) (string, []any) {
	return func(s, sql string, args []any) (string, []any) {
		if s == service || service == "" {
			sql = strings.ReplaceAll(sql, old, replacement)
		}
		return sql, args
	}
}

// executes makes a fault that adds a statement to every transaction of a service.
func executes(service, sql string) func(context.Context, string, sqldb.Tx) error {
	return func(ctx context.Context, s string, tx sqldb.Tx) error {
		if s != service {
			return nil
		}
		_, err := tx.Exec(ctx, sql)
		return err
	}
}

// without makes a fault that takes a loop out of a service.
func without(service, loop string) func(string, *app.Components) {
	return func(s string, p *app.Components) {
		if s == service {
			p.Workers = slices.DeleteFunc(p.Workers, func(w worker.Worker) bool { return w.Name == loop })
		}
	}
}

const noTombstones = "DELETE FROM reservations WHERE state = 'released' AND version = 1"

// faults are mistakes that people make, and a part of what must be said of each.
var faults = []struct {
	fault Fault
	say   string
}{
	{Fault{
		Name: "the inbox does not remember",
		Rewrite: rewrites("", "ON CONFLICT DO NOTHING RETURNING event_id",
			"ON CONFLICT (event_id, consumer) DO UPDATE SET handled_at = excluded.handled_at RETURNING event_id"),
	}, "handled"},
	{Fault{Name: "what is handed out is acknowledged before it is handled", AckEarly: true}, "without having handled"},
	{Fault{Name: "a late acknowledgement counts for the next session", AckStale: true}, "without having handled"},
	{Fault{
		Name:         "a cancel that comes first leaves no tombstone in inventory",
		BeforeCommit: executes("inventory", noTombstones),
	}, "heard of its end"},
	{Fault{
		Name:         "a cancel that comes first leaves no tombstone in payments",
		BeforeCommit: executes("payments", "DELETE FROM payments WHERE state = 'voided' AND version = 1"),
	}, "has two payments"},
	{Fault{Name: "nobody looks at the deadline", Edit: without("orders", "deadlines")}, "deadline"},
	{Fault{
		Name:         "an authorisation that comes after the cancel is kept",
		BeforeCommit: executes("payments", "UPDATE payments SET goal = 1 WHERE goal = 3 AND state = 'pending'"),
	}, "is cancelled, but"},
	{Fault{Name: "the provider refunds again under the same key", Rewrite: refundAgain()}, "set aside"},
	{Fault{
		Name:    "the outbox forgets what the broker refused",
		Publish: func(_ []bus.Message, errs []error) { clear(errs) },
	}, "before the broker had it"},
	{Fault{
		Name:         "the outbox forgets before it publishes",
		BeforeCommit: executes("inventory", "DELETE FROM outbox WHERE attempts > 0"),
	}, "before the broker had it"},
	{Fault{Name: "a commit in orders wakes nobody", Deaf: "orders"}, "not woken"},
	{Fault{Name: "a commit in payments wakes nobody", Deaf: "payments"}, "not woken"},
	{Fault{Name: "a commit in notifications wakes nobody", Deaf: "notifications"}, "not woken"},
	{Fault{
		Name:    "older stock overwrites newer",
		Rewrite: rewrites("orders", "WHERE excluded.version > stock_levels.version", ""),
	}, "stock that orders knows"},
	{Fault{
		Name:    "an older account overwrites a newer one",
		Rewrite: rewrites("notifications", "WHERE recipients.version < excluded.version AND", "WHERE"),
	}, "accounts that notifications knows"},
	{Fault{
		Name:         "a request's key is forgotten",
		BeforeCommit: executes("orders", "DELETE FROM idempotency_keys"),
	}, "requests placed"},
}

// refundAgain makes a provider that does not know its own refunds.
func refundAgain() func(string, string, []any) (string, []any) {
	const columns, kind, step = 10, 3, 1 // of a row of the ledger
	refunds := 0
	return func(service, sql string, args []any) (string, []any) {
		if service != "payments" || !strings.Contains(sql, "provider_ledger") || strings.Contains(sql, "SUM(") {
			return sql, args
		}
		for row := 0; strings.HasPrefix(sql, "INSERT") && row < len(args); row += columns {
			if args[row+kind] == "refund" {
				refunds++
				args = slices.Clone(args)
				args[row+step] = args[row+step].(int) + refunds
			}
		}
		return strings.ReplaceAll(sql, "FROM provider_ledger WHERE", "FROM (SELECT * FROM provider_ledger WHERE kind <> 'refund') AS known WHERE"), args
	}
}

func TestEveryFaultIsFound(t *testing.T) {
	t.Parallel()
	const seeds, steps = 200, 400
	for _, c := range faults {
		t.Run(c.fault.Name, func(t *testing.T) {
			t.Parallel()
			p := player(t)
			for seed := range uint64(seeds) {
				_, err := p.Play(t.Context(), seed, steps, &c.fault)
				if err == nil {
					continue
				}
				var f *Failure
				if !errors.As(err, &f) {
					t.Fatal(err)
				}
				t.Log(fmt.Sprint("seed ", seed, " step ", len(f.Steps), ": ", f.Err))
				require.ErrorContains(t, f.Err, c.say)
				return
			}
			t.Fatalf("not found in %d worlds of %d steps", seeds, steps)
		})
	}
}
