package payments

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/timestamp"
	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

const (
	auditPage    = 2000
	overdueAfter = 5 * time.Minute
	maxListed    = 100
)

// report is the result of a pass over all payments. Operations with an unknown
// outcome do not need it: the provider is asked until the outcome is known. The
// report is for what asking does not find.
type report struct {
	At         timestamp.Time `json:"at" doc:"When the last full pass ended"`
	Payments   int            `json:"payments"`
	ByState    map[string]int `json:"by_state"`
	Unknown    int            `json:"unknown" doc:"Operations whose outcome at the provider is not known yet"`
	Overdue    int            `json:"overdue" doc:"Operations that have been due for more than 5 minutes"`
	Mismatches int            `json:"mismatches" doc:"Payments whose money at the provider does not match their state"`
	Mismatched []mismatch     `json:"mismatched" doc:"The first 100 of them"`
}

type mismatch struct {
	PaymentID string `json:"payment_id"`
	State     string `json:"state"`
	Amount    int64  `json:"amount" doc:"In minor units, as are the others"`
	Held      int64  `json:"held" doc:"Authorized at the provider and not captured"`
	Paid      int64  `json:"paid" doc:"Captured at the provider and not refunded"`
}

func newReport() report { return report{ByState: map[string]int{}, Mismatched: []mismatch{}} }

// auditor compares all payments with the provider's ledger, a page at a time.
type auditor struct {
	mismatches, unknown prometheus.Gauge

	after   string // id of the last payment that the running pass has seen
	running report

	mu   sync.Mutex
	last report
}

func newAuditor(reg prometheus.Registerer) *auditor {
	a := &auditor{
		mismatches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_payments_mismatches", Help: "Payments whose money at the provider did not match their state in the last pass of the reconciliation.",
		}),
		unknown: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_payments_unknown_operations", Help: "Operations whose outcome at the provider was not known in the last pass of the reconciliation.",
		}),
		running: newReport(), last: newReport(),
	}
	reg.MustRegister(a.mismatches, a.unknown)
	return a
}

// finish publishes the report of the running pass and starts the next pass.
func (a *auditor) finish(now time.Time) {
	a.running.At = timestamp.Of(now)
	a.mismatches.Set(float64(a.running.Mismatches))
	a.unknown.Set(float64(a.running.Unknown))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.running, a.after = a.running, newReport(), ""
}

func (a *auditor) report() report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// reconcile compares the next page of payments with the provider's ledger, and wakes
// operations that a wrong clock has put off. It returns 0 at the end of a pass.
func (s *service) reconcile(ctx context.Context) (int, error) {
	a := s.auditor
	if err := store.WakeFarAhead(ctx, s.DB, s.Now()); err != nil {
		return 0, err
	}
	page, err := store.After(ctx, s.DB, a.after, auditPage)
	if err != nil {
		return 0, err
	}
	suspects, err := s.compare(ctx, page)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	for _, p := range page {
		a.running.count(p, now)
	}
	for _, m := range suspects {
		a.running.addMismatch(m)
	}
	if len(page) < auditPage {
		a.finish(now)
		return 0, nil
	}
	a.after = page[len(page)-1].ID
	return len(page), nil
}

// compare returns the payments that do not match the provider's ledger. A payment
// that was changed between reading it and reading the ledger proves nothing, so it is
// left to the next pass.
func (s *service) compare(ctx context.Context, page []*payment.Payment) ([]mismatch, error) {
	ids := make([]string, len(page))
	for i, p := range page {
		ids[i] = p.ID
	}
	balances, err := s.provider.Balances(ctx, ids)
	if err != nil {
		return nil, err
	}
	var suspects []*payment.Payment
	var suspectIDs []string
	for _, p := range page {
		if !matches(p, balances[p.ID]) {
			suspects, suspectIDs = append(suspects, p), append(suspectIDs, p.ID)
		}
	}
	again, err := store.ByID(ctx, s.DB, suspectIDs)
	if err != nil {
		return nil, err
	}
	var proven []mismatch
	for _, p := range suspects {
		if b := balances[p.ID]; again[p.ID] != nil && again[p.ID].Version == p.Version {
			proven = append(proven, mismatch{PaymentID: p.ID, State: string(p.State), Amount: p.Amount.Amount, Held: b.Held, Paid: b.Paid})
		}
	}
	return proven, nil
}

// matches reports whether the money is where the payment's state requires. While an
// operation is open, the provider may have executed it or not, but the full amount
// is in one place in any case.
func matches(p *payment.Payment, b provider.Balance) bool {
	nothing, held, paid := provider.Balance{}, provider.Balance{Held: p.Amount.Amount}, provider.Balance{Paid: p.Amount.Amount}
	if p.Open() != nil {
		return b == nothing || b == held || b == paid
	}
	switch p.State {
	case payment.Authorized, payment.CaptureFailed:
		return b == held
	case payment.Captured:
		return b == paid
	default:
		return b == nothing
	}
}

func (r *report) count(p *payment.Payment, now time.Time) {
	r.Payments++
	r.ByState[string(p.State)]++
	open := p.Open()
	if open == nil {
		return
	}
	if open.Status == payment.Unknown {
		r.Unknown++
	}
	if now.Sub(open.DueAt) > overdueAfter {
		r.Overdue++
	}
}

func (r *report) addMismatch(m mismatch) {
	r.Mismatches++
	if len(r.Mismatched) < maxListed {
		r.Mismatched = append(r.Mismatched, m)
	}
}
