package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/services/payments/internal/payment"
)

// fakeProvider is a provider in memory: each key takes effect once, and it can be asked.
type fakeProvider struct {
	declines, capturesFail bool
	responses              map[string]payment.Response
	authorized, captured   bool
	voided, refunded       bool
}

func (b *fakeProvider) call(c payment.Call) payment.Response {
	if r, seen := b.responses[c.Key]; seen {
		return r
	}
	if c.Ask {
		return payment.Response{Outcome: payment.NotFound}
	}
	r := b.execute(c.Kind)
	b.responses[c.Key] = r
	return r
}

func (b *fakeProvider) execute(kind payment.Kind) payment.Response {
	effect, rejected := &b.authorized, b.declines || b.voided || b.authorized
	switch kind {
	case payment.Capture:
		effect, rejected = &b.captured, b.capturesFail || b.voided || !b.authorized
	case payment.Void:
		effect, rejected = &b.voided, b.captured
	case payment.Refund:
		effect, rejected = &b.refunded, !b.captured
	}
	if rejected && kind == payment.Void {
		return payment.Response{Outcome: payment.Rejected, Code: payment.AlreadyCaptured}
	}
	if rejected {
		return payment.Response{Outcome: payment.Rejected, Code: "no"}
	}
	*effect = true
	return payment.Response{Outcome: payment.Approved}
}

// held and paid report where the money is.
func (b *fakeProvider) held() bool { return b.authorized && !b.captured && !b.voided }
func (b *fakeProvider) paid() bool { return b.captured && !b.refunded }

// TestMoneyEndsWhereTheOrderWantsIt applies events, calls, lost calls, lost responses,
// crashes and replicas that continue long after their lease, at random. When nothing
// is left to do, the money must be where the order's events want it, whatever
// happened in between.
func TestMoneyEndsWhereTheOrderWantsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &fakeProvider{
			responses: map[string]payment.Response{},
			declines:  rapid.IntRange(0, 4).Draw(t, "declines") == 0, capturesFail: rapid.IntRange(0, 4).Draw(t, "captures fail") == 0,
		}
		p, now := order(), noon
		applied := map[string]bool{}
		var stalled []payment.Call
		apply := func(event string, change func(*payment.Payment)) func(*rapid.T) {
			return func(*rapid.T) { applied[event] = true; change(p) }
		}
		claim := func() (payment.Call, bool) {
			if o := p.Open(); o == nil || now.Before(o.DueAt) {
				return payment.Call{}, false
			}
			return p.ClaimUnder("lease", now, lease), true
		}
		t.Repeat(map[string]func(*rapid.T){
			"created":   apply("created", created),
			"confirmed": apply("confirmed", confirmed),
			"cancelled": apply("cancelled", cancelled),
			"time":      func(*rapid.T) { now = now.Add(10 * time.Second) },
			"call": func(*rapid.T) {
				if c, ok := claim(); ok {
					p.Answered(c, b.call(c), now)
				}
			},
			"lost call": func(*rapid.T) {
				if c, ok := claim(); ok {
					p.Answered(c, payment.Response{Outcome: payment.TimedOut}, now)
				}
			},
			"lost answer": func(*rapid.T) {
				if c, ok := claim(); ok {
					b.call(c)
					p.Answered(c, payment.Response{Outcome: payment.TimedOut}, now)
				}
			},
			"hand back": func(*rapid.T) {
				if c, ok := claim(); ok {
					p.HandBack(c, now)
				}
			},
			"stall": func(*rapid.T) {
				if c, ok := claim(); ok {
					stalled = append(stalled, c)
				}
			},
			"wake up": func(*rapid.T) {
				if len(stalled) > 0 {
					p.Answered(stalled[0], b.call(stalled[0]), now)
					stalled = stalled[1:]
				}
			},
		})
		for range 20 { // until nothing is left to do
			now = now.Add(time.Hour)
			if c, ok := claim(); ok {
				p.Answered(c, b.call(c), now)
			}
		}
		for _, c := range stalled { // the last ones continue when all is over
			p.Answered(c, b.call(c), now)
		}
		require.Nil(t, p.Open())
		for _, o := range p.Operations {
			require.Empty(t, o.Lease, "an operation that is closed has no lease")
		}
		requireMoneyWhere(t, p, b, applied)
	})
}

// requireMoneyWhere requires that the money is where the applied events want it.
func requireMoneyWhere(t *rapid.T, p *payment.Payment, b *fakeProvider, applied map[string]bool) {
	switch {
	case applied["cancelled"]:
		require.False(t, b.held() || b.paid(), "money is left: %+v", b)
		require.Contains(t, []payment.State{payment.Voided, payment.Refunded, payment.Declined}, p.State)
	case !applied["created"]:
		require.Equal(t, payment.Pending, p.State)
	case b.declines:
		require.Equal(t, payment.Declined, p.State)
	case !applied["confirmed"]:
		require.Equal(t, payment.Authorized, p.State)
		require.True(t, b.held())
	case b.capturesFail:
		require.Equal(t, payment.CaptureFailed, p.State)
		require.True(t, b.held())
	default:
		require.Equal(t, payment.Captured, p.State)
		require.True(t, b.paid())
	}
}
