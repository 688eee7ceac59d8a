package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/platform/money"
	"troupe/services/payments/internal/payment"
)

const (
	lease = 30 * time.Second
	visa  = "pm_card_visa"
)

var (
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	total = money.Money{Amount: 4200, Currency: "EUR"}
)

func order() *payment.Payment { return payment.New("p1", "o1", noon) }

func created(p *payment.Payment) {
	p.Apply(payment.Command{Kind: payment.OrderCreated, UserID: "u1", Amount: total, Method: visa}, noon)
}

func confirmed(p *payment.Payment) {
	p.Apply(payment.Command{Kind: payment.OrderConfirmed, UserID: "u1", Amount: total}, noon)
}

func cancelled(p *payment.Payment) {
	p.Apply(payment.Command{Kind: payment.OrderCancelled, UserID: "u1", Amount: total, Reason: "customer"}, noon)
}

// answered calls the provider once and records its response.
func answered(t *testing.T, p *payment.Payment, kind payment.Kind, r payment.Response) {
	t.Helper()
	require.NotNil(t, p.Open(), "no operation is open")
	require.Equal(t, kind, p.Open().Kind)
	p.Answered(p.Claim(noon, lease), r, noon)
}

// succeed has the provider approve these operations, one after the other.
func succeed(t *testing.T, p *payment.Payment, kinds ...payment.Kind) {
	t.Helper()
	for _, k := range kinds {
		answered(t, p, k, payment.Response{Outcome: payment.Approved})
	}
}

func requireEnd(t *testing.T, p *payment.Payment, s payment.State) {
	t.Helper()
	require.Equal(t, s, p.State)
	require.Nil(t, p.Open())
}

func TestMoneyIsAuthorizedThenCaptured(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	succeed(t, p, payment.Authorize)
	requireEnd(t, p, payment.Authorized)
	confirmed(p)
	succeed(t, p, payment.Capture)
	requireEnd(t, p, payment.Captured)
}

func TestACancelVoidsOrRefunds(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	succeed(t, p, payment.Authorize)
	cancelled(p)
	succeed(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)

	p = order()
	created(p)
	confirmed(p)
	succeed(t, p, payment.Authorize, payment.Capture)
	cancelled(p)
	succeed(t, p, payment.Refund)
	requireEnd(t, p, payment.Refunded)
}

func TestACancelThatComesFirstLeavesATombstone(t *testing.T) {
	t.Parallel()
	p := order()
	cancelled(p)
	requireEnd(t, p, payment.Voided)
	created(p)
	confirmed(p)
	requireEnd(t, p, payment.Voided)
	require.Empty(t, p.Operations)
}

func TestACancelDropsAnOperationThatWasNeverCalled(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	cancelled(p)
	requireEnd(t, p, payment.Voided)
	require.Equal(t, payment.Dropped, p.Operations[0].Status)
}

func TestATimeoutIsNoOutcome(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	c := p.Claim(noon, lease)
	require.False(t, c.Ask)
	p.Answered(c, payment.Response{Outcome: payment.TimedOut}, noon)
	require.Equal(t, payment.Pending, p.State)
	require.Equal(t, noon.Add(time.Second), p.Open().DueAt)

	c = p.Claim(noon, lease)
	require.True(t, c.Ask, "the provider is asked first")
	p.Answered(c, payment.Response{Outcome: payment.TimedOut}, noon)
	require.Equal(t, noon.Add(2*time.Second), p.Open().DueAt)

	c = p.Claim(noon, lease)
	p.Answered(c, payment.Response{Outcome: payment.NotFound}, noon)
	again := p.Claim(noon, lease)
	require.False(t, again.Ask)
	require.Equal(t, c.Key, again.Key, "all calls have the same key")
}

func TestACancelVoidsAnAuthorizationThatTheProviderDoesNotKnow(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	answered(t, p, payment.Authorize, payment.Response{Outcome: payment.TimedOut})
	cancelled(p)
	answered(t, p, payment.Authorize, payment.Response{Outcome: payment.NotFound})
	succeed(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestASuccessAfterTheCancelIsUndone(t *testing.T) {
	t.Parallel()
	for _, late := range []struct {
		before []payment.Kind
		undo   payment.Kind
		end    payment.State
	}{
		{nil, payment.Void, payment.Voided},
		{[]payment.Kind{payment.Authorize}, payment.Refund, payment.Refunded},
	} {
		p := order()
		created(p)
		confirmed(p)
		succeed(t, p, late.before...)
		call := p.Claim(noon, lease)
		cancelled(p)
		p.Answered(call, payment.Response{Outcome: payment.Approved}, noon)
		succeed(t, p, late.undo)
		requireEnd(t, p, late.end)
	}
}

func TestADeclineIsFinal(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	answered(t, p, payment.Authorize, payment.Response{Outcome: payment.Rejected, Code: "card_declined"})
	confirmed(p)
	cancelled(p)
	requireEnd(t, p, payment.Declined)
	require.Equal(t, "card_declined", p.Code)
}

func TestAFailedCaptureLeavesAnAuthorizationToVoid(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	confirmed(p)
	succeed(t, p, payment.Authorize)
	answered(t, p, payment.Capture, payment.Response{Outcome: payment.Rejected, Code: "authorization_lapsed"})
	requireEnd(t, p, payment.CaptureFailed)
	cancelled(p)
	succeed(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestAVoidOfCapturedMoneyBecomesARefund(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	succeed(t, p, payment.Authorize)
	cancelled(p)
	answered(t, p, payment.Void, payment.Response{Outcome: payment.Rejected, Code: payment.AlreadyCaptured})
	succeed(t, p, payment.Refund)
	requireEnd(t, p, payment.Refunded)
}

func TestAnUndoIsNeverGivenUp(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	succeed(t, p, payment.Authorize)
	cancelled(p)
	for range 30 {
		answered(t, p, payment.Void, payment.Response{Outcome: payment.Rejected, Code: "try_again"})
	}
	require.Equal(t, noon.Add(5*time.Minute), p.Open().DueAt)
	succeed(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestAResponseAfterTheLeaseWasTakenOverIsIgnored(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	stalled := p.Claim(noon, lease)
	p.Claim(noon.Add(lease), lease)
	p.Answered(stalled, payment.Response{Outcome: payment.Rejected, Code: "late"}, noon)
	require.Equal(t, payment.Pending, p.State)
}
