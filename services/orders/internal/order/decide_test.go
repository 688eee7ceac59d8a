package order

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

	reserved      = Facts{Stock: StockReserved}
	short         = Facts{Stock: StockShort}
	committed     = Facts{Stock: StockCommitted}
	released      = Facts{Stock: StockReleased}
	authorized    = Facts{Payment: MoneyAuthorized}
	declined      = Facts{Payment: MoneyDeclined}
	captured      = Facts{Payment: MoneyCaptured}
	captureFailed = Facts{Payment: MoneyCaptureFailed}
	voided        = Facts{Payment: MoneyVoided}
	refunded      = Facts{Payment: MoneyRefunded}
	byCustomer    = Facts{Cancel: ByCustomer}
	byAdmin       = Facts{Cancel: ByAdmin}
	overdue       = Facts{Overdue: true}
)

func pendingOrder() Order {
	return Order{ID: "o", UserID: "ada", Deadline: noon.Add(time.Minute), State: State{Status: Pending}}
}

// recordEach records facts one by one, makes every decision that is due after each,
// and returns the outcomes.
func recordEach(o *Order, facts ...Facts) []Outcome {
	var outcomes []Outcome
	for _, f := range facts {
		o.Record(f)
		outcomes = append(outcomes, applyAll(o)...)
	}
	return outcomes
}

// applyAll makes every decision that is due and returns the outcomes.
func applyAll(o *Order) []Outcome {
	var outcomes []Outcome
	for out := o.Apply(); out != Nothing; out = o.Apply() {
		outcomes = append(outcomes, out)
	}
	return outcomes
}

func TestFactsLeadToOutcomes(t *testing.T) {
	t.Parallel()
	confirmed, paid := []Outcome{Confirm}, []Outcome{Confirm, Pay}
	cancelled, cancelledLater := []Outcome{Cancel}, []Outcome{Confirm, Cancel}
	for name, c := range map[string]struct {
		facts    []Facts
		outcomes []Outcome
		status   Status
		reason   Reason
	}{
		"stock alone is not enough":                  {facts: []Facts{reserved}, status: Pending},
		"money alone is not enough":                  {facts: []Facts{authorized}, status: Pending},
		"stock and money confirm":                    {facts: []Facts{reserved, authorized}, outcomes: confirmed, status: Confirmed},
		"money and stock confirm":                    {facts: []Facts{authorized, reserved}, outcomes: confirmed, status: Confirmed},
		"one success twice is not two successes":     {facts: []Facts{reserved, reserved}, status: Pending},
		"paid once stock and money have followed up": {facts: []Facts{reserved, authorized, committed, captured}, outcomes: paid, status: Confirmed},
		"paid also if the follow-ups come first":     {facts: []Facts{captured, committed}, outcomes: paid, status: Confirmed},
		"captured but not committed is not paid":     {facts: []Facts{reserved, authorized, captured}, outcomes: confirmed, status: Confirmed},
		"paid is an outcome once":                    {facts: []Facts{committed, captured, captured, committed}, outcomes: paid, status: Confirmed},
		"no stock cancels":                           {facts: []Facts{short}, outcomes: cancelled, status: Cancelled, reason: StockRejected},
		"no stock cancels although there is money":   {facts: []Facts{authorized, short}, outcomes: cancelled, status: Cancelled, reason: StockRejected},
		"no money cancels":                           {facts: []Facts{reserved, declined}, outcomes: cancelled, status: Cancelled, reason: PaymentDeclined},
		"a late success does not revive":             {facts: []Facts{declined, reserved, authorized}, outcomes: cancelled, status: Cancelled, reason: PaymentDeclined},
		"an expired hold cancels":                    {facts: []Facts{reserved, released}, outcomes: cancelled, status: Cancelled, reason: StockRejected},
		"an expired hold cancels a confirmed order":  {facts: []Facts{reserved, authorized, released}, outcomes: cancelledLater, status: Cancelled, reason: StockRejected},
		"a failed capture cancels a confirmed order": {facts: []Facts{reserved, authorized, committed, captureFailed}, outcomes: cancelledLater, status: Cancelled, reason: CaptureFailed},
		"a voided authorization cancels":             {facts: []Facts{reserved, authorized, voided}, outcomes: cancelledLater, status: Cancelled, reason: CaptureFailed},
		"a refund before shipping cancels":           {facts: []Facts{committed, captured, refunded}, outcomes: []Outcome{Confirm, Pay, Cancel}, status: Cancelled, reason: ByAdmin},
		"the customer cancels":                       {facts: []Facts{byCustomer}, outcomes: cancelled, status: Cancelled, reason: ByCustomer},
		"the customer cancels a confirmed order":     {facts: []Facts{reserved, authorized, byCustomer}, outcomes: cancelledLater, status: Cancelled, reason: ByCustomer},
		"an admin cancels":                           {facts: []Facts{byAdmin}, outcomes: cancelled, status: Cancelled, reason: ByAdmin},
		"it is cancelled for one reason only":        {facts: []Facts{short, byCustomer, declined}, outcomes: cancelled, status: Cancelled, reason: StockRejected},
		"the deadline cancels":                       {facts: []Facts{reserved, overdue}, outcomes: cancelled, status: Cancelled, reason: DeadlinePassed},
		"the deadline comes too late":                {facts: []Facts{reserved, authorized, overdue}, outcomes: confirmed, status: Confirmed},
		"two successes count more than the deadline": {facts: []Facts{reserved.Merge(authorized).Merge(overdue)}, outcomes: confirmed, status: Confirmed},
		"a failure counts more than two successes":   {facts: []Facts{reserved.Merge(authorized).Merge(byCustomer)}, outcomes: cancelled, status: Cancelled, reason: ByCustomer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := pendingOrder()
			require.Equal(t, c.outcomes, recordEach(&o, c.facts...))
			require.Equal(t, c.status, o.Status)
			require.Equal(t, c.reason, o.Reason)
		})
	}
}

// end is what must not depend on the sequence in which facts arrive. Two things may
// depend on it: whether an order was paid before it was cancelled, and the reason for the
// cancellation if there was more than one. An outcome that was reached is not revoked.
type end struct {
	status Status
	facts  Facts
	paid   bool
}

func endOf(o Order) end { return end{o.Status, o.Facts, o.Paid && o.Status != Cancelled} }

// TestFactsInAnyOrderEndTheSame tries every sequence of up to six facts: every
// permutation of every set, with every repetition.
func TestFactsInAnyOrderEndTheSame(t *testing.T) {
	t.Parallel()
	facts := []Facts{
		reserved, short, committed, released,
		authorized, declined, captured, captureFailed, voided, refunded, byCustomer, byAdmin,
	}
	ends := map[int]end{}
	var walk func(o Order, known, depth int)
	walk = func(o Order, known, depth int) {
		got := endOf(o)
		want, seen := ends[known]
		if !seen {
			ends[known], want = got, got
		}
		if got != want {
			t.Fatalf("the facts %012b ended in %v in one sequence and in %v in another", known, want, got)
		}
		if depth == 0 {
			return
		}
		for i, f := range facts {
			after := o
			after.Record(f)
			for after.Apply() != Nothing {
			}
			walk(after, known|1<<i, depth-1)
		}
	}
	walk(pendingOrder(), 0, 6)
	require.Len(t, ends, 1+12+66+220+495+792+924) // every set of up to six of twelve
}

func TestMergeIsALattice(t *testing.T) {
	t.Parallel()
	var all []Facts
	for _, s := range stockSequence {
		for _, p := range paymentSequence {
			for _, c := range cancelSequence {
				all = append(all, Facts{s, p, c, false}, Facts{s, p, c, true})
			}
		}
	}
	for _, a := range all {
		require.Equal(t, a, a.Merge(a), "idempotent")
		require.Equal(t, a, Facts{}.Merge(a), "no facts add nothing")
		for _, b := range all {
			if ab := a.Merge(b); ab != b.Merge(a) || ab.Merge(a) != ab || ab.Merge(b) != ab {
				t.Fatalf("merging %v and %v is not commutative or not idempotent", a, b)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.SampledFrom(all)
		a, b, c := one.Draw(t, "a"), one.Draw(t, "b"), one.Draw(t, "c")
		require.Equal(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)), "associative")
	})
}

// TestInvariantsHoldAfterAnySequence does to orders all that can happen to them, in any
// sequence, and checks the invariants after each step.
func TestInvariantsHoldAfterAnySequence(t *testing.T) {
	t.Parallel()
	facts := []Facts{
		reserved, short, committed, released, authorized, declined, captured, captureFailed, voided, refunded,
	}
	rapid.Check(t, func(t *rapid.T) {
		o := pendingOrder()
		o.ShipTo = &Address{Name: "Ada"}
		now := noon
		outcomes := map[Outcome]int{}
		do := map[string]func(*rapid.T){
			"record":          func(t *rapid.T) { o.Record(rapid.SampledFrom(facts).Draw(t, "fact")) },
			"wait":            func(*rapid.T) { now = now.Add(20 * time.Second); o.CheckDeadline(now) },
			"cancel":          func(*rapid.T) { _ = o.Cancel(ByCustomer) },
			"cancel, admin":   func(*rapid.T) { _ = o.Cancel(ByAdmin) },
			"ship":            func(t *rapid.T) { shipOnlyIfPaid(t, &o) },
			"deliver":         func(*rapid.T) { _ = o.Deliver() },
			"delete customer": func(*rapid.T) { o.CustomerDeleted() },
		}
		for name, act := range do {
			do[name] = func(t *rapid.T) {
				before := o
				act(t)
				for _, out := range applyAll(&o) {
					outcomes[out]++
				}
				requireForward(t, before.Status, o.Status)
				requireInvariants(t, o, outcomes)
			}
		}
		t.Repeat(do)
	})
}

func shipOnlyIfPaid(t *rapid.T, o *Order) {
	may := o.Status == Confirmed && o.Paid
	if err := o.Ship(); (err == nil) != may {
		t.Fatalf("ship %s, paid %t: %v", o.Status, o.Paid, err)
	}
}

var rank = map[Status]int{Pending: 0, Confirmed: 1, Shipped: 2, Delivered: 3, Cancelled: 4}

func requireForward(t *rapid.T, from, to Status) {
	if rank[to] < rank[from] || from == Delivered && to != Delivered || from == Shipped && to == Cancelled {
		t.Fatalf("went from %s to %s", from, to)
	}
}

func requireInvariants(t *rapid.T, o Order, outcomes map[Outcome]int) {
	out, _ := Decide(o.State)
	for what, broken := range map[string]bool{
		"a decision is left to make":        out != Nothing,
		"confirmed twice":                   outcomes[Confirm] > 1,
		"paid twice, or without confirming": outcomes[Pay] > outcomes[Confirm],
		"cancelled twice":                   outcomes[Cancel] > 1,
		"cancelled without the outcome":     (o.Status == Cancelled) != (outcomes[Cancel] == 1),
		"cancelled without a reason":        (o.Status == Cancelled) != (o.Reason != ""),
		"paid without the outcome":          o.Paid != (outcomes[Pay] == 1),
		"shipped without being paid":        rank[o.Status] >= 2 && o.Status != Cancelled && outcomes[Pay] != 1,
		"an address kept too long":          o.Forget && o.IsFinal() && o.ShipTo != nil,
		"an address erased too soon":        (!o.Forget || !o.IsFinal()) && o.ShipTo == nil,
	} {
		if broken {
			t.Fatalf("%s: %+v, outcomes %v", what, o, outcomes)
		}
	}
}

func TestThePaymentStateIsShownToTheCustomer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state State
		want  Payment
	}{
		{State{Status: Pending}, MoneyUnknown},
		{State{Status: Pending, Facts: authorized}, MoneyAuthorized},
		{State{Status: Confirmed, Facts: captured}, MoneyCaptured},
		{State{Status: Cancelled, Facts: overdue}, moneyUnresolved},
		{State{Status: Cancelled, Facts: authorized}, MoneyAuthorized},
		{State{Status: Cancelled, Facts: declined}, MoneyDeclined},
		{State{Status: Cancelled, Facts: captureFailed}, MoneyVoided},
		{State{Status: Cancelled, Facts: voided}, MoneyVoided},
		{State{Status: Delivered, Facts: refunded}, MoneyRefunded},
	} {
		t.Run(fmt.Sprintf("%s %s", c.state.Status, c.state.Facts.Payment), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.state.PaymentState())
		})
	}
}

func TestARefundAfterShippingOnlyChangesThePayment(t *testing.T) {
	t.Parallel()
	o := pendingOrder()
	recordEach(&o, committed, captured)
	require.NoError(t, o.Ship())
	require.Empty(t, recordEach(&o, refunded))
	require.Equal(t, Shipped, o.Status)
	require.Equal(t, MoneyRefunded, o.PaymentState())
}
