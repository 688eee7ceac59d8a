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

// hears gives the order facts one by one and collects what is concluded.
func hears(o *Order, facts ...Facts) []Outcome {
	var said []Outcome
	for _, f := range facts {
		o.Hear(f)
		said = append(said, conclusions(o)...)
	}
	return said
}

func conclusions(o *Order) []Outcome {
	var said []Outcome
	for out := o.Advance(); out != Nothing; out = o.Advance() {
		said = append(said, out)
	}
	return said
}

func TestWhatFollowsFromWhat(t *testing.T) {
	t.Parallel()
	confirmed, paid := []Outcome{Confirm}, []Outcome{Confirm, Pay}
	cancelled, cancelledLater := []Outcome{Cancel}, []Outcome{Confirm, Cancel}
	for name, c := range map[string]struct {
		facts  []Facts
		said   []Outcome
		status Status
		reason Reason
	}{
		"stock alone is not enough":                    {facts: []Facts{reserved}, status: Pending},
		"money alone is not enough":                    {facts: []Facts{authorized}, status: Pending},
		"stock and money confirm":                      {facts: []Facts{reserved, authorized}, said: confirmed, status: Confirmed},
		"money and stock confirm":                      {facts: []Facts{authorized, reserved}, said: confirmed, status: Confirmed},
		"a repeated yes is no second yes":              {facts: []Facts{reserved, reserved}, status: Pending},
		"paid once both have followed up":              {facts: []Facts{reserved, authorized, committed, captured}, said: paid, status: Confirmed},
		"paid also if the follow-ups overtake":         {facts: []Facts{captured, committed}, said: paid, status: Confirmed},
		"money before the shelf is not paid":           {facts: []Facts{reserved, authorized, captured}, said: confirmed, status: Confirmed},
		"paid is said once":                            {facts: []Facts{committed, captured, captured, committed}, said: paid, status: Confirmed},
		"no stock cancels":                             {facts: []Facts{short}, said: cancelled, status: Cancelled, reason: StockRejected},
		"no stock cancels though there is money":       {facts: []Facts{authorized, short}, said: cancelled, status: Cancelled, reason: StockRejected},
		"no money cancels":                             {facts: []Facts{reserved, declined}, said: cancelled, status: Cancelled, reason: PaymentDeclined},
		"a late yes does not revive":                   {facts: []Facts{declined, reserved, authorized}, said: cancelled, status: Cancelled, reason: PaymentDeclined},
		"a hold that ran out cancels":                  {facts: []Facts{reserved, released}, said: cancelled, status: Cancelled, reason: StockRejected},
		"a hold that ran out cancels when confirmed":   {facts: []Facts{reserved, authorized, released}, said: cancelledLater, status: Cancelled, reason: StockRejected},
		"a capture that failed cancels when confirmed": {facts: []Facts{reserved, authorized, committed, captureFailed}, said: cancelledLater, status: Cancelled, reason: CaptureFailed},
		"an authorisation that vanished cancels":       {facts: []Facts{reserved, authorized, voided}, said: cancelledLater, status: Cancelled, reason: CaptureFailed},
		"money given back before shipping cancels":     {facts: []Facts{committed, captured, refunded}, said: []Outcome{Confirm, Pay, Cancel}, status: Cancelled, reason: ByAdmin},
		"the customer cancels":                         {facts: []Facts{byCustomer}, said: cancelled, status: Cancelled, reason: ByCustomer},
		"the customer cancels what is confirmed":       {facts: []Facts{reserved, authorized, byCustomer}, said: cancelledLater, status: Cancelled, reason: ByCustomer},
		"an admin cancels":                             {facts: []Facts{byAdmin}, said: cancelled, status: Cancelled, reason: ByAdmin},
		"it is cancelled for one reason only":          {facts: []Facts{short, byCustomer, declined}, said: cancelled, status: Cancelled, reason: StockRejected},
		"the deadline cancels":                         {facts: []Facts{reserved, overdue}, said: cancelled, status: Cancelled, reason: DeadlinePassed},
		"the deadline comes too late":                  {facts: []Facts{reserved, authorized, overdue}, said: confirmed, status: Confirmed},
		"two yeses count more than the deadline":       {facts: []Facts{reserved.Merge(authorized).Merge(overdue)}, said: confirmed, status: Confirmed},
		"a no counts more than two yeses":              {facts: []Facts{reserved.Merge(authorized).Merge(byCustomer)}, said: cancelled, status: Cancelled, reason: ByCustomer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := pendingOrder()
			require.Equal(t, c.said, hears(&o, c.facts...))
			require.Equal(t, c.status, o.Status)
			require.Equal(t, c.reason, o.Reason)
		})
	}
}

// end is what must not depend on the order in which facts arrive. That an order
// was paid before it was cancelled may, and why it was cancelled may, if there
// was more than one reason: what was said first stays said.
type end struct {
	status Status
	facts  Facts
	paid   bool
}

func endOf(o Order) end { return end{o.Status, o.Facts, o.Paid && o.Status != Cancelled} }

// TestFactsInAnyOrderEndTheSame walks every sequence of up to six words of the
// participants, which is every permutation of every set with every repetition.
func TestFactsInAnyOrderEndTheSame(t *testing.T) {
	t.Parallel()
	words := []Facts{
		reserved, short, committed, released,
		authorized, declined, captured, captureFailed, voided, refunded, byCustomer, byAdmin,
	}
	ends := map[int]end{}
	var walk func(o Order, heard, depth int)
	walk = func(o Order, heard, depth int) {
		got := endOf(o)
		want, seen := ends[heard]
		if !seen {
			ends[heard], want = got, got
		}
		if got != want {
			t.Fatalf("the words %012b once ended in %v and now in %v", heard, want, got)
		}
		if depth == 0 {
			return
		}
		for i, f := range words {
			after := o
			after.Hear(f)
			for after.Advance() != Nothing {
			}
			walk(after, heard|1<<i, depth-1)
		}
	}
	walk(pendingOrder(), 0, 6)
	require.Len(t, ends, 1+12+66+220+495+792+924) // every set of up to six of twelve
}

func TestMergeIsALattice(t *testing.T) {
	t.Parallel()
	var all []Facts
	for _, s := range stockLine {
		for _, p := range paymentLine {
			for _, c := range cancelLine {
				all = append(all, Facts{s, p, c, false}, Facts{s, p, c, true})
			}
		}
	}
	for _, a := range all {
		require.Equal(t, a, a.Merge(a), "idempotent")
		require.Equal(t, a, Facts{}.Merge(a), "nothing adds nothing")
		for _, b := range all {
			if ab := a.Merge(b); ab != b.Merge(a) || ab.Merge(a) != ab || ab.Merge(b) != ab {
				t.Fatalf("%v and %v do not merge well", a, b)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.SampledFrom(all)
		a, b, c := one.Draw(t, "a"), one.Draw(t, "b"), one.Draw(t, "c")
		require.Equal(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)), "associative")
	})
}

// TestWhateverHappens drives orders through anything that can happen to one, in
// any order, and checks what must hold after each step.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	words := []Facts{
		reserved, short, committed, released, authorized, declined, captured, captureFailed, voided, refunded,
	}
	rapid.Check(t, func(t *rapid.T) {
		o := pendingOrder()
		o.ShipTo = &Address{Name: "Ada"}
		now := noon
		said := map[Outcome]int{}
		do := map[string]func(*rapid.T){
			"hear":           func(t *rapid.T) { o.Hear(rapid.SampledFrom(words).Draw(t, "word")) },
			"wait":           func(*rapid.T) { now = now.Add(20 * time.Second); o.LookAtClock(now) },
			"cancel":         func(*rapid.T) { _ = o.Cancel(ByCustomer) },
			"cancel, admin":  func(*rapid.T) { _ = o.Cancel(ByAdmin) },
			"ship":           func(t *rapid.T) { shipOnlyWhatIsPaid(t, &o) },
			"deliver":        func(*rapid.T) { _ = o.Deliver() },
			"customer leave": func(*rapid.T) { o.CustomerLeft() },
		}
		for name, act := range do {
			do[name] = func(t *rapid.T) {
				before := o
				act(t)
				for _, out := range conclusions(&o) {
					said[out]++
				}
				requireForward(t, before.Status, o.Status)
				requireSound(t, o, said)
			}
		}
		t.Repeat(do)
	})
}

func shipOnlyWhatIsPaid(t *rapid.T, o *Order) {
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

func requireSound(t *rapid.T, o Order, said map[Outcome]int) {
	out, _ := Decide(o.State)
	for what, broken := range map[string]bool{
		"something is left to conclude":     out != Nothing,
		"confirmed twice":                   said[Confirm] > 1,
		"paid twice, or without confirming": said[Pay] > said[Confirm],
		"cancelled twice":                   said[Cancel] > 1,
		"cancelled without saying so":       (o.Status == Cancelled) != (said[Cancel] == 1),
		"cancelled without a reason":        (o.Status == Cancelled) != (o.Reason != ""),
		"paid without saying so":            o.Paid != (said[Pay] == 1),
		"shipped without being paid":        rank[o.Status] >= 2 && o.Status != Cancelled && said[Pay] != 1,
		"an address kept too long":          o.Forget && o.Over() && o.ShipTo != nil,
		"an address forgotten too soon":     (!o.Forget || !o.Over()) && o.ShipTo == nil,
	} {
		if broken {
			t.Fatalf("%s: %+v, said %v", what, o, said)
		}
	}
}

func TestTheCustomerSeesTheirMoney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state State
		want  Payment
	}{
		{State{Status: Pending}, MoneyUnknown},
		{State{Status: Pending, Facts: authorized}, MoneyAuthorized},
		{State{Status: Confirmed, Facts: captured}, MoneyCaptured},
		{State{Status: Cancelled, Facts: overdue}, moneyOpen},
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
	hears(&o, committed, captured)
	require.NoError(t, o.Ship())
	require.Empty(t, hears(&o, refunded))
	require.Equal(t, Shipped, o.Status)
	require.Equal(t, MoneyRefunded, o.PaymentState())
}
