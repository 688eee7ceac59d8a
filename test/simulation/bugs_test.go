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

// rewrite returns a Bug.Rewrite that replaces text in a service's statements.
func rewrite(service, old, replacement string) func(string, string, []any) (string, []any) {
	return func(s, sql string, args []any) (string, []any) {
		if s == service || service == "" {
			sql = strings.ReplaceAll(sql, old, replacement)
		}
		return sql, args
	}
}

// execute returns a Bug.BeforeCommit that adds a statement to every transaction of a service.
func execute(service, sql string) func(context.Context, string, sqldb.Tx) error {
	return func(ctx context.Context, s string, tx sqldb.Tx) error {
		if s != service {
			return nil
		}
		_, err := tx.Exec(ctx, sql)
		return err
	}
}

// withoutWorker returns a Bug.Edit that removes a worker from a service.
func withoutWorker(service, name string) func(string, *app.Components) {
	return func(s string, c *app.Components) {
		if s == service {
			c.Workers = slices.DeleteFunc(c.Workers, func(w worker.Worker) bool { return w.Name == name })
		}
	}
}

const noTombstones = "DELETE FROM reservations WHERE state = 'released' AND version = 1"

// bugs are mistakes that programmers make, and a regular expression for a part of the
// violation that each must cause.
var bugs = []struct {
	bug       Bug
	violation string
}{
	{Bug{Name: "the inbox does not remember what it handled", Rewrite: forgetHandled}, "handled"},
	{Bug{Name: "a delivery is acknowledged before it is handled", AckEarly: true}, "without having handled"},
	{Bug{Name: "a batch of which half is handled is acknowledged", AckHalf: true}, "without having handled"},
	{Bug{Name: "a late acknowledgement counts for the next session", AckStale: true}, "without having handled"},
	{Bug{
		Name:         "a cancel that comes first leaves no tombstone in inventory",
		BeforeCommit: execute("inventory", noTombstones),
	}, `has handled its cancellation|went from "" to "released"`},
	{Bug{
		Name:         "a cancel that comes first leaves no tombstone in payments",
		BeforeCommit: execute("payments", "DELETE FROM payments WHERE state = 'voided' AND version = 1"),
	}, "has two payments|payments that orders keeps"},
	{Bug{Name: "the lease of mails is never taken back", Edit: withoutWorker("notifications", "end-leases")}, "unsent mails"},
	{Bug{Name: "no worker checks the deadline", Edit: withoutWorker("orders", "deadlines")}, "deadline"},
	{Bug{Name: "deadlines pass while the machine sleeps", SleepsUnnoticed: true}, "in which the machine was awake"},
	{Bug{
		Name:         "an authorization that comes after the cancel is kept",
		BeforeCommit: execute("payments", "UPDATE payments SET goal = 1 WHERE goal = 3 AND state = 'pending'"),
	}, "is cancelled, but"},
	{Bug{Name: "the provider refunds again under the same key", Rewrite: refundAgain()}, "are authorized"},
	{Bug{
		Name:    "the outbox forgets what the broker rejected",
		Publish: func(_ []bus.Message, errs []error) { clear(errs) },
	}, "before the broker had accepted it"},
	{Bug{
		Name:         "the outbox forgets before it publishes",
		BeforeCommit: execute("inventory", "DELETE FROM outbox WHERE attempts > 0"),
	}, "before the broker had accepted it"},
	{
		Bug{Name: "a row of the outbox loses the events that the broker did not accept with the others", Rewrite: loseRemainder},
		"before the broker had accepted it",
	},
	{Bug{
		Name:    "a lease is never taken back",
		Rewrite: rewrite("payments", "FROM payment_leases WHERE ends_at <= $1", "FROM payment_leases WHERE ends_at <= $1 AND FALSE"),
	}, "payments has|is cancelled, but"},
	{Bug{Name: "a claim is stored without its lease", Rewrite: loseLeases}, "payments has|is cancelled, but|not woken"},
	{Bug{
		Name: "a second cancellation of an order moves its stock again",
		Rewrite: rewrite("inventory", "SELECT order_id, state, lines, expires_at, version FROM reservations",
			"SELECT order_id, CASE state WHEN 'released' THEN 'held' ELSE state END, lines, expires_at, version FROM reservations"),
	}, "stock|inventory could not handle|when everything was redelivered"},
	{Bug{
		Name:    "a handler that counts as idempotent does not know what it has handled",
		Rewrite: rewrite("orders", ", timeline FROM orders", ", '' FROM orders"),
	}, "entries about"},
	{Bug{
		Name:    "a decision is stored without what it has consumed",
		Rewrite: rewrite("orders", "timeline = excluded.timeline || orders.timeline", "timeline = orders.timeline"),
	}, "entries about"},
	{Bug{Name: "a commit in orders wakes no worker", NoWake: "orders"}, "not woken"},
	{Bug{Name: "a commit in payments wakes no worker", NoWake: "payments"}, "not woken"},
	{Bug{Name: "a commit in notifications wakes no worker", NoWake: "notifications"}, "not woken"},
	{Bug{
		Name:    "older stock overwrites newer",
		Rewrite: rewrite("orders", "WHERE excluded.version > stock_levels.version", ""),
	}, "stock that orders keeps"},
	{Bug{
		Name:    "an older account overwrites a newer one",
		Rewrite: rewrite("notifications", "WHERE recipients.version < excluded.version AND", "WHERE"),
	}, "accounts that notifications keeps"},
	{Bug{
		Name:         "a request's key is forgotten",
		BeforeCommit: execute("orders", "DELETE FROM idempotency_keys"),
	}, "requests placed"},
}

// forgetHandled is a Bug.Rewrite with which every row of the inbox is new.
func forgetHandled(_, sql string, args []any) (string, []any) {
	if strings.HasPrefix(sql, "INSERT INTO inbox ") {
		sql = strings.ReplaceAll(sql, "ON CONFLICT DO NOTHING", "ON CONFLICT (event_id, consumer) DO UPDATE SET handled_at = excluded.handled_at")
	}
	return sql, args
}

// loseRemainder is a Bug.Rewrite that makes a statement which splits a row do nothing.
func loseRemainder(_, sql string, args []any) (string, []any) {
	rows, split := strings.CutPrefix(sql, "INSERT INTO outbox (event_id, type, body, created_at, attempts, retry_at, last_error)")
	if !split {
		return sql, args
	}
	return "WITH lost AS (" + rows + ") SELECT 1 WHERE FALSE", args
}

// loseLeases is a Bug.Rewrite with which claimed operations have no lease.
func loseLeases(_, sql string, args []any) (string, []any) {
	if !strings.HasPrefix(sql, "INSERT INTO payment_leases") {
		return sql, args
	}
	return "SELECT 1 WHERE FALSE", nil
}

// refundAgain returns a Bug.Rewrite with which the provider does not remember its refunds.
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

func TestEveryPlantedBugIsFound(t *testing.T) {
	t.Parallel()
	const seeds, steps = 200, 400
	for _, c := range bugs {
		t.Run(c.bug.Name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t)
			for seed := range uint64(seeds) {
				_, err := s.Simulate(t.Context(), seed, steps, &c.bug)
				if err == nil {
					continue
				}
				var f *Failure
				if !errors.As(err, &f) {
					t.Fatal(err)
				}
				t.Log(fmt.Sprint("seed ", seed, " step ", len(f.Steps), ": ", f.Err))
				require.Regexp(t, c.violation, f.Err.Error())
				return
			}
			t.Fatalf("not found in %d runs of %d steps", seeds, steps)
		})
	}
}
