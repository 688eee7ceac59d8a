package payments

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/services/payments/internal/payment"
	"troupe/services/payments/internal/provider"
	"troupe/services/payments/internal/store"
)

const (
	auditPage    = 500
	overdueAfter = 5 * time.Minute
	mostListed   = 100
)

// report is what a pass over all payments found. Operations whose outcome is
// unknown need no report to be resolved, they are asked about until they are;
// this is for what asking does not find.
type report struct {
	At         time.Time      `json:"at" doc:"When the last full pass ended"`
	Payments   int            `json:"payments"`
	ByState    map[string]int `json:"by_state"`
	Unknown    int            `json:"unknown" doc:"Operations that the provider has not answered for certain"`
	Overdue    int            `json:"overdue" doc:"Operations that nobody has taken up for 5 minutes"`
	Mismatches int            `json:"mismatches" doc:"Payments whose money is elsewhere at the provider than their state says"`
	Mismatched []mismatch     `json:"mismatched" doc:"The first 100 of them"`
}

type mismatch struct {
	PaymentID string `json:"payment_id"`
	State     string `json:"state"`
	Amount    int64  `json:"amount" doc:"In minor units, as are the others"`
	Held      int64  `json:"held" doc:"Set aside at the provider"`
	Paid      int64  `json:"paid" doc:"Paid at the provider"`
}

func newReport() report { return report{ByState: map[string]int{}, Mismatched: []mismatch{}} }

// auditor walks through all payments, a page at a time.
type auditor struct {
	mismatches, unknown prometheus.Gauge

	after   string // the last payment of the pass so far
	running report

	mu   sync.Mutex
	last report
}

func newAuditor(reg prometheus.Registerer) *auditor {
	a := &auditor{
		mismatches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_payments_mismatches", Help: "Payments whose money is elsewhere at the provider than their state says, as of the last pass.",
		}),
		unknown: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_payments_unknown", Help: "Operations that the provider has not answered for certain, as of the last pass.",
		}),
		running: newReport(), last: newReport(),
	}
	reg.MustRegister(a.mismatches, a.unknown)
	return a
}

// finish makes the running pass the last one and starts anew.
func (a *auditor) finish(now time.Time) {
	a.running.At = now
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

// reconcile compares the next page of payments with the provider's books. It
// says 0 at the end of a pass.
func (s *service) reconcile(ctx context.Context) (int, error) {
	a := s.auditor
	page, err := store.After(ctx, s.db, a.after, auditPage)
	if err != nil {
		return 0, err
	}
	suspects, err := s.compare(ctx, page)
	if err != nil {
		return 0, err
	}
	now := s.now()
	for _, p := range page {
		a.running.count(p, now)
	}
	for _, m := range suspects {
		a.running.blame(m)
	}
	if len(page) < auditPage {
		a.finish(now)
		return 0, nil
	}
	a.after = page[len(page)-1].ID
	return len(page), nil
}

// compare gives the payments that do not agree with the provider's books. One
// that was changed between the look at it and the look into the books proves
// nothing and is left to the next pass.
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
		if !agrees(p, balances[p.ID]) {
			suspects, suspectIDs = append(suspects, p), append(suspectIDs, p.ID)
		}
	}
	again, err := store.ByID(ctx, s.db, suspectIDs)
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

// agrees says whether the money is where the payment says. While an operation
// is open it may be before or after it, but whole in any case.
func agrees(p *payment.Payment, b provider.Balance) bool {
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

func (r *report) blame(m mismatch) {
	r.Mismatches++
	if len(r.Mismatched) < mostListed {
		r.Mismatched = append(r.Mismatched, m)
	}
}
