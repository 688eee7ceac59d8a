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

func created(p *payment.Payment)   { p.Created("u1", total, visa, noon) }
func confirmed(p *payment.Payment) { p.Confirmed("u1", total, noon) }
func cancelled(p *payment.Payment) { p.Cancelled("u1", total, "customer", noon) }

// answered calls the provider once and takes in what it says.
func answered(t *testing.T, p *payment.Payment, kind payment.Kind, a payment.Answer) {
	t.Helper()
	require.NotNil(t, p.Open(), "nothing is to be done")
	require.Equal(t, kind, p.Open().Kind)
	p.Answered(p.Claim(noon, lease), a, noon)
}

func done(t *testing.T, p *payment.Payment, kinds ...payment.Kind) {
	t.Helper()
	for _, k := range kinds {
		answered(t, p, k, payment.Answer{Outcome: payment.Done})
	}
}

func requireEnd(t *testing.T, p *payment.Payment, s payment.State) {
	t.Helper()
	require.Equal(t, s, p.State)
	require.Nil(t, p.Open())
}

func TestMoneyIsAuthorisedThenCaptured(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	done(t, p, payment.Authorization)
	requireEnd(t, p, payment.Authorized)
	confirmed(p)
	done(t, p, payment.CaptureMoney)
	requireEnd(t, p, payment.Captured)
}

func TestACancelGivesBackWhateverWasTaken(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	done(t, p, payment.Authorization)
	cancelled(p)
	done(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)

	p = order()
	created(p)
	confirmed(p)
	done(t, p, payment.Authorization, payment.CaptureMoney)
	cancelled(p)
	done(t, p, payment.Refund)
	requireEnd(t, p, payment.Refunded)
}

func TestNothingIsAskedForAnOrderThatWasCancelledFirst(t *testing.T) {
	t.Parallel()
	p := order()
	cancelled(p)
	requireEnd(t, p, payment.Voided)
	created(p)
	confirmed(p)
	requireEnd(t, p, payment.Voided)
	require.Empty(t, p.Operations)
}

func TestAnOperationThatWasNeverCalledIsDroppedByACancel(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	cancelled(p)
	requireEnd(t, p, payment.Voided)
	require.Equal(t, payment.Dropped, p.Operations[0].Status)
}

func TestATimeOutIsNoAnswer(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	c := p.Claim(noon, lease)
	require.False(t, c.Ask)
	p.Answered(c, payment.Answer{Outcome: payment.TimedOut}, noon)
	require.Equal(t, payment.Pending, p.State)
	require.Equal(t, noon.Add(time.Second), p.Open().DueAt)

	c = p.Claim(noon, lease)
	require.True(t, c.Ask, "ask before anything else")
	p.Answered(c, payment.Answer{Outcome: payment.TimedOut}, noon)
	require.Equal(t, noon.Add(2*time.Second), p.Open().DueAt)

	c = p.Claim(noon, lease)
	p.Answered(c, payment.Answer{Outcome: payment.Absent}, noon)
	again := p.Claim(noon, lease)
	require.False(t, again.Ask)
	require.Equal(t, c.Key, again.Key, "the key is the same however often")
}

func TestALostAuthorisationIsVoidedByACancelEvenIfTheProviderDoesNotKnowItYet(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	answered(t, p, payment.Authorization, payment.Answer{Outcome: payment.TimedOut})
	cancelled(p)
	answered(t, p, payment.Authorization, payment.Answer{Outcome: payment.Absent})
	done(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestASuccessThatComesAfterTheCancelUndoesItself(t *testing.T) {
	t.Parallel()
	for _, late := range []struct {
		before []payment.Kind
		undo   payment.Kind
		end    payment.State
	}{
		{nil, payment.Void, payment.Voided},
		{[]payment.Kind{payment.Authorization}, payment.Refund, payment.Refunded},
	} {
		p := order()
		created(p)
		confirmed(p)
		done(t, p, late.before...)
		call := p.Claim(noon, lease)
		cancelled(p)
		p.Answered(call, payment.Answer{Outcome: payment.Done}, noon)
		done(t, p, late.undo)
		requireEnd(t, p, late.end)
	}
}

func TestADeclineIsTheEnd(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	answered(t, p, payment.Authorization, payment.Answer{Outcome: payment.Denied, Code: "card_declined"})
	confirmed(p)
	cancelled(p)
	requireEnd(t, p, payment.Declined)
	require.Equal(t, "card_declined", p.Code)
}

func TestACaptureThatFailsForGoodLeavesAnAuthorisationToVoid(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	confirmed(p)
	done(t, p, payment.Authorization)
	answered(t, p, payment.CaptureMoney, payment.Answer{Outcome: payment.Denied, Code: "authorization_lapsed"})
	requireEnd(t, p, payment.CaptureFailed)
	cancelled(p)
	done(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestAVoidOfWhatIsCapturedBecomesARefund(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	done(t, p, payment.Authorization)
	cancelled(p)
	answered(t, p, payment.Void, payment.Answer{Outcome: payment.Denied, Code: payment.AlreadyCaptured})
	done(t, p, payment.Refund)
	requireEnd(t, p, payment.Refunded)
}

func TestAnUndoIsNeverGivenUp(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	done(t, p, payment.Authorization)
	cancelled(p)
	for range 30 {
		answered(t, p, payment.Void, payment.Answer{Outcome: payment.Denied, Code: "try_again"})
	}
	require.Equal(t, noon.Add(5*time.Minute), p.Open().DueAt)
	done(t, p, payment.Void)
	requireEnd(t, p, payment.Voided)
}

func TestAnAnswerToALeaseThatWasTakenOverIsIgnored(t *testing.T) {
	t.Parallel()
	p := order()
	created(p)
	stalled := p.Claim(noon, lease)
	p.Claim(noon.Add(lease), lease)
	p.Answered(stalled, payment.Answer{Outcome: payment.Denied, Code: "late"}, noon)
	require.Equal(t, payment.Pending, p.State)
}
